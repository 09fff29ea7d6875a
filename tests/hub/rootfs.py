"""Debian file systems for the images, made by mmdebstrap and apt from the machine's own mirror.

base(cache, suite)            the directory of a small Debian SUITE (cached)
packages(cache, base, ...)    the tar of what a list of packages and a script add to a base (cached): they are
                              installed in a chroot on an overlay, whose upper directory becomes the layer
Everything is built under a temporary name and renamed: an interrupted build leaves only what tidy() removes.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

import oci

# What the images do without, as the official slim images do.
EXCLUDE = ['man', 'locale', 'info', 'doc', 'lintian', 'bash-completion', 'zoneinfo-icu', 'mysql/*/*_set',
           'bug', 'pixmaps', 'icons']
APT = {'Acquire::Languages': 'none', 'Acquire::Check-Valid-Until': 'false', 'APT::Install-Recommends': 'false',
       'Acquire::Retries': '3'}


def say(text):
    sys.stdout.write('images: %s\n' % text)    # in one piece: several threads speak
    sys.stdout.flush()


def key(*what):
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


def temporary(path):
    """Where PATH is made: a name of this process alone, for what a killed build started may still be writing."""
    return '%s.%d.tmp' % (path, os.getpid())


def run(*argv, **kw):
    """Run a command quietly; its output is shown when it fails."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors='replace', **kw)
    if done.returncode:
        raise SystemExit('images: %s ...: exit status %d\n%s' % (' '.join(argv)[:100], done.returncode,
                                                                done.stdout[-4000:]))
    return done.stdout


def refresh():
    """Fetch apt's package lists, waiting for another process that does the same (a machine that just came up)."""
    say('fetching the package lists')
    end = time.monotonic() + 300
    while True:
        done = subprocess.run(['apt-get', '-q', 'update'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors='replace')
        if done.returncode == 0:
            return
        if 'Could not get lock' not in done.stdout or time.monotonic() > end:
            raise SystemExit('images: apt-get update: exit status %d\n%s' % (done.returncode, done.stdout[-4000:]))
        time.sleep(1)


def sources(suite):
    """sources.list lines for SUITE, from where this machine gets its own Debian."""
    found = []
    ask = ('apt-get', 'indextargets', '--format', '$(CODENAME) $(COMPONENT) $(REPO_URI) $(SIGNED_BY)',
           'Created-By: Packages')
    listing = run(*ask)
    if not listing.strip():    # apt knows only what it has lists of
        refresh()
        listing = run(*ask)
    for line in sorted(set(listing.splitlines())):
        codename, component, uri = line.split()[:3]
        if component == 'main' and 'debian' in uri:
            found.append((codename, uri))
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', open('/etc/os-release').read(), re.M))
    own = release.get('VERSION_CODENAME', '')
    main = [uri for codename, uri in found if codename == own] or \
           [uri for codename, uri in found if '-' not in codename]
    if not main:
        raise SystemExit('images: this machine\'s apt has no Debian archive configured')
    lines = ['deb %s %s main' % (main[0], suite)]
    if suite == own:
        lines += ['deb %s %s main' % (uri, codename) for codename, uri in found
                  if codename in (own + '-security', own + '-updates')]
    return lines


def base(cache, suite):
    """The directory of a small SUITE."""
    include = ['ca-certificates', 'gosu'] if suite == 'sid' else ['gosu']
    dir = os.path.join(cache, 'base-%s-%s' % (suite, key(suite, EXCLUDE, APT, include, 3)))
    if os.path.isdir(dir):
        os.utime(dir)
        return dir
    say('making the file system of debian ' + suite)
    tmp = temporary(dir)
    shutil.rmtree(tmp, ignore_errors=True)
    argv = ['mmdebstrap', '--quiet', '--variant=minbase', '--components=main', '--mode=root', '--format=directory']
    for what in EXCLUDE:
        argv.append('--dpkgopt=path-exclude=/usr/share/%s/*' % what)
    argv.append('--dpkgopt=path-include=/usr/share/doc/*/copyright')
    for name, value in APT.items():
        argv.append('--aptopt=%s "%s"' % (name, value))
    if suite == 'sid':
        argv.append('--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr')
        include = include + ['usr-is-merged']
    argv += ['--include=' + ','.join(include), suite, tmp] + sources(suite)
    run(*argv, env=dict(os.environ, DEBIAN_FRONTEND='noninteractive'))
    shutil.rmtree(tmp + '/dev')
    os.mkdir(tmp + '/dev')
    for path in ('etc/hostname', 'etc/resolv.conf', 'var/log/bootstrap.log', 'var/log/dpkg.log',
                 'var/log/alternatives.log', 'var/cache/ldconfig/aux-cache'):
        if os.path.lexists(os.path.join(tmp, path)):
            os.unlink(os.path.join(tmp, path))
    # as in the official images: services are not started by installing them
    with open(tmp + '/usr/sbin/policy-rc.d', 'w') as f:
        f.write('#!/bin/sh\nexit 101\n')
    os.chmod(tmp + '/usr/sbin/policy-rc.d', 0o755)
    os.rename(tmp, dir)
    return dir


def tree_tar(cache, dir):
    """The tar of a base directory."""
    tar = dir + '.tar'
    if not os.path.exists(tar):
        oci.tree_to_tar(dir, temporary(tar))
        os.rename(temporary(tar), tar)
    os.utime(tar)
    return tar


CHROOT = r'''
set -e
cd "$1"
mount -t overlay overlay -o "lowerdir=$2,upperdir=upper,workdir=work,redirect_dir=off,metacopy=off,index=off" root
mount -t proc proc root/proc
mount -t tmpfs tmpfs root/tmp
mount -t tmpfs tmpfs root/run
mount --rbind /dev root/dev
cp -L /etc/resolv.conf root/tmp/resolv.conf
touch root/etc/resolv.conf root/etc/hosts
mount --bind root/tmp/resolv.conf root/etc/resolv.conf
mount --bind /etc/hosts root/etc/hosts
exec chroot root /bin/sh -euc "$3"
'''


def packages(cache, name, base_dir, install, script='', before=''):
    """The tar of what the script BEFORE, installing the packages and the shell SCRIPT change in BASE_DIR."""
    tar = os.path.join(cache, 'layer-%s-%s.tar' % (name, key(os.path.basename(base_dir), install, script, before, CHROOT, 2)))
    if os.path.exists(tar):
        os.utime(tar)
        return tar
    say('installing %s' % ' '.join(install))
    work = temporary(tar) + '.d'
    remove_tree(work)
    for sub in ('upper', 'work', 'root'):
        os.makedirs(os.path.join(work, sub))
    os.chmod(os.path.join(work, 'upper'), 0o755)
    inner = '''
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
%s
apt-get -q update
apt-get -q -y install --no-install-recommends %s
%s
apt-get -q clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old \\
	/var/lib/dpkg/*-old /var/log/*.log /var/log/apt
''' % (before, ' '.join(install), script)
    run('unshare', '-m', '--propagation', 'private', 'bash', '-c', CHROOT, 'bash', work, base_dir, inner)
    upper = os.path.join(work, 'upper')
    # the mount points that had to be there while apt ran
    for path in ('etc/resolv.conf', 'etc/hosts'):
        full = os.path.join(upper, path)
        if os.path.exists(full) and not os.path.getsize(full):
            os.unlink(full)
    oci.tree_to_tar(upper, temporary(tar))
    os.rename(temporary(tar), tar)
    remove_tree(work)
    return tar


def remove_tree(dir):
    # overlay leaves a work directory of mode 0; root does not mind
    shutil.rmtree(dir, ignore_errors=True)


def download(package, dir):
    """The .deb of PACKAGE in DIR.  Where apt's lists are missing, old or just being replaced they are fetched anew:
    apt then fails, or ends well without having fetched anything."""
    for fresh in (False, True):
        if fresh:
            refresh()
        done = subprocess.run(['apt-get', '-q', '-o', 'APT::Sandbox::User=', 'download', package], cwd=dir,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors='replace')
        debs = [f for f in os.listdir(dir) if f.endswith('.deb')]
        if done.returncode == 0 and debs:
            return debs[0]
    raise SystemExit('images: apt-get download %s: %s\n%s' % (
        package, 'exit status %d' % done.returncode if done.returncode else 'no package came', done.stdout[-4000:]))


def program(cache, package, path):
    """One file out of a Debian package that is not to be installed on this machine."""
    dst = os.path.join(cache, 'bin-%s-%s' % (os.path.basename(path), key(package, path)))
    if not os.path.exists(dst):
        say('fetching %s from package %s' % (path, package))
        tmp = temporary(dst) + '.d'
        remove_tree(tmp)
        os.makedirs(tmp)
        run('dpkg-deb', '-x', download(package, tmp), 'x', cwd=tmp)
        os.rename(os.path.join(tmp, 'x', path.lstrip('/')), dst)
        remove_tree(tmp)
    os.utime(dst)
    return dst
