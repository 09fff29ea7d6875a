"""Makes every image and the registry's storage in a cache directory (run by images.sh, which holds its lock).

    CACHE/base-SUITE-KEY/ .tar      file systems of Debian suites           (rootfs.py)
    CACHE/layer-NAME-KEY.tar        what packages add to them               (rootfs.py)
    CACHE/packed-...-COMPRESSION/   the same as compressed layers           (Build.pack)
    CACHE/bin-NAME-KEY              programs taken out of packages          (rootfs.py)
    CACHE/image-NAME-KEY/           OCI layouts, one per repository         (catalog.py, web.py, clients.py, odd.py)
    CACHE/hub-KEY/registry,static   the registry server's storage, filled   (fill.py)
Every piece is touched when used; what nobody used for 14 days is removed.
"""
import collections
import concurrent.futures
import json
import os
import shutil
import sys
import threading
import time

import fill
import oci
import rootfs

HERE = os.path.dirname(os.path.abspath(__file__))


class Build:
    def __init__(self, cache):
        self.cache = cache
        self.locks = collections.defaultdict(threading.Lock)    # images are made side by side

    def file(self, *path):
        return os.path.join(HERE, 'images', *path)

    def program(self, package, path):
        return rootfs.program(self.cache, package, path)

    def base(self, suite):
        with self.locks[suite]:
            return rootfs.tree_tar(self.cache, rootfs.base(self.cache, suite))

    def packages(self, name, suite, install, script='', before=''):
        with self.locks[suite]:
            base = rootfs.base(self.cache, suite)
        return rootfs.packages(self.cache, name, base, install, script, before)

    def pack(self, layout, tar, compression, said):
        """A big TAR of the cache as a layer of LAYOUT, compressed once for all images."""
        dir = os.path.join(self.cache, 'packed-%s-%s' % (os.path.basename(tar)[:-4], compression))
        with self.locks[dir]:
            if not os.path.exists(dir):
                rootfs.say('compressing %s (%s)' % (os.path.basename(tar), compression))
                tmp = rootfs.temporary(dir)
                one = oci.Layout(tmp)
                layer = one.layer(tar, compression, said=said)
                with open(tmp + '/layer.json', 'w') as f:
                    json.dump([layer.desc, layer.diff_id], f)
                os.rename(tmp, dir)
        os.utime(dir)
        with open(dir + '/layer.json') as f:
            desc, diff_id = json.load(f)
        return layout.adopt(oci.Layout(dir), oci.Layer(desc, diff_id, said))

    def image(self, name, inputs, make):
        """The layout of NAME, made by make(layout) unless one from the same INPUTS is there."""
        dir = os.path.join(self.cache, 'image-%s-%s' % (name, rootfs.key(inputs)))
        if not os.path.exists(dir):
            rootfs.say('composing ' + name)
            layout = oci.Layout(rootfs.temporary(dir))
            make(layout)
            layout.finish()
            os.rename(layout.dir, dir)
        os.utime(dir)
        return dir


def source(*names):
    """What an image's key is made from: the text of the scripts and files that make it."""
    text = []
    for name in names:
        full = os.path.join(HERE, name)
        files = [full]
        if os.path.isdir(full):
            files = sorted(os.path.join(d, f) for d, _, fs in os.walk(full) for f in fs)
        for f in files:
            with open(f, encoding='utf-8') as h:
                text.append((os.path.relpath(f, HERE), h.read()))
    return text


def tidy(cache):
    old = time.time() - 14 * 86400
    for name in os.listdir(cache):
        path = os.path.join(cache, name)
        if name != 'lock' and (os.lstat(path).st_mtime < old or name.endswith(('.tmp', '.tmp.d'))):
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)


def main():
    import catalog
    import clients
    import odd
    import web
    cache = sys.argv[1]
    begin = time.monotonic()
    tidy(cache)
    b = Build(cache)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        every = catalog.ALL + clients.ALL + web.ALL + odd.ALL
        wanted = [make for make in every if not sys.argv[2:] or make.__name__ in sys.argv[2:]]
        jobs = [pool.submit(make, b, source) for make in wanted]
        try:
            layouts = [job.result() for job in jobs]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    registry = b.program('docker-registry', '/usr/bin/docker-registry')
    dir = os.path.join(cache, 'hub-' + rootfs.key([os.path.basename(l) for l in layouts], source('fill.py')))
    if not os.path.exists(dir):
        rootfs.say('filling the registry')
        tmp = rootfs.temporary(dir)
        os.makedirs(tmp + '/run')
        with fill.Registry(registry, tmp + '/registry', tmp + '/run') as r:
            filler = fill.Filler(r.socket, tmp + '/static')
            for layout in layouts:
                filler.layout(layout)
        shutil.rmtree(tmp + '/run')
        os.symlink(registry, tmp + '/docker-registry')
        with open(tmp + '/images.txt', 'w') as f:
            for layout in layouts:
                with open(layout + '/index.json') as h:
                    for desc in json.load(h)['manifests']:
                        f.write('%s %s\n' % (desc['annotations']['org.opencontainers.image.ref.name'],
                                             desc['digest']))
        os.rename(tmp, dir)
    os.utime(dir)
    rootfs.say('ready after %.0f s' % (time.monotonic() - begin))
    print(dir)


try:
    main()
except KeyboardInterrupt:
    sys.exit('images: interrupted; what is complete stays')
