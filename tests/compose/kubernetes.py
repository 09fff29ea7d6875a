#!/usr/bin/python3 -B
"""kubernetes.py FILE... -- are these objects ones that a cluster's API server takes?

What the names of external objects begin with is "external".  The table has the fields that `compose config --format kubernetes` may write, with their types as the API's published
schema has them ("!": it must be there); a field that is not here is an error.  Behind it are rules that the schema
does not say and the server has: names, references, what has to be unlike its neighbours.
"""
import ipaddress
import re
import sys

import yaml

QUANTITY = re.compile(r'\d+(\.\d+)?(m|k|[KMGTPE]i?)?$')
LABEL = re.compile(r'[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')
SERVICE_NAME = re.compile(r'[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')
PORT_NAME = re.compile(r'(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$')
KEY = re.compile(r'[-._a-zA-Z0-9]{1,253}$')
QUALIFIED = re.compile(r'([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$')
LABEL_VALUE = re.compile(r'([A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?)?$')

# A type is a Python type, a set of words, a pattern, a name of the table, [type] for a list, {pattern: type} for a map.
SPEC = {
    'Meta': {'name!': SERVICE_NAME, 'labels': {QUALIFIED: LABEL_VALUE}, 'annotations': {QUALIFIED: str}},
    'Template': {'metadata!': 'TemplateMeta', 'spec!': 'Pod'},
    'TemplateMeta': {'labels': {QUALIFIED: LABEL_VALUE}, 'annotations': {QUALIFIED: str}},
    'Selector': {'matchLabels!': {QUALIFIED: LABEL_VALUE}},
    'ConfigMap': {'data': {KEY: str}, 'binaryData': {KEY: str}},
    'Secret': {'data': {KEY: str}, 'type': {'Opaque'}},
    'PersistentVolumeClaim': {'spec!': 'Claim'},
    'Claim': {'accessModes!': [{'ReadWriteOnce'}], 'resources!': 'ClaimResources'},
    'ClaimResources': {'requests!': {re.compile('storage$'): QUANTITY}},
    'ClaimTemplate': {'metadata!': 'Meta', 'spec!': 'Claim'},
    'Service': {'spec!': 'ServiceSpec'},
    'ServiceSpec': {'ports': ['ServicePort'], 'selector!': {QUALIFIED: LABEL_VALUE}, 'clusterIP': {'None'}},
    'ServicePort': {'name!': PORT_NAME, 'port!': int, 'targetPort': int, 'protocol': {'TCP', 'UDP', 'SCTP'}},
    'Deployment': {'spec!': 'DeploymentSpec'},
    'DeploymentSpec': {'replicas': int, 'selector!': 'Selector', 'template!': 'Template'},
    'StatefulSet': {'spec!': 'StatefulSetSpec'},
    'StatefulSetSpec': {'replicas': int, 'selector!': 'Selector', 'serviceName!': LABEL, 'template!': 'Template',
                        'volumeClaimTemplates': ['ClaimTemplate']},
    'Job': {'spec!': 'JobSpec'},
    'JobSpec': {'backoffLimit': int, 'template!': 'Template'},
    'Pod': {'containers!': ['Container'], 'volumes': ['Volume'], 'hostAliases': ['HostAlias'], 'hostname': LABEL,
            'dnsPolicy': {'None', 'ClusterFirst'}, 'dnsConfig': 'Dns', 'enableServiceLinks': bool,
            'restartPolicy': {'Always', 'OnFailure', 'Never'}, 'securityContext': 'PodSecurity',
            'terminationGracePeriodSeconds': int, 'hostNetwork': bool, 'hostPID': bool, 'hostIPC': bool},
    'Container': {'name!': LABEL, 'image!': str, 'command': [str], 'args': [str], 'env': ['Env'], 'workingDir': str,
                  'ports': ['ContainerPort'], 'imagePullPolicy': {'Always', 'IfNotPresent', 'Never'},
                  'readinessProbe': 'Probe', 'resources': 'Resources', 'securityContext': 'Security',
                  'stdin': bool, 'tty': bool, 'volumeMounts': ['Mount']},
    'Env': {'name!': re.compile(r'[-._a-zA-Z][-._a-zA-Z0-9]*$'), 'value': str},
    'ContainerPort': {'containerPort!': int, 'protocol': {'TCP', 'UDP', 'SCTP'}},
    'Probe': {'exec!': 'Exec', 'failureThreshold': int, 'initialDelaySeconds': int, 'periodSeconds': int,
              'timeoutSeconds': int},
    'Exec': {'command!': [str]},
    'Resources': {'limits': {re.compile('(cpu|memory)$'): QUANTITY},
                  'requests': {re.compile('(cpu|memory)$'): QUANTITY}},
    'Security': {'capabilities': 'Capabilities', 'privileged': bool, 'readOnlyRootFilesystem': bool,
                 'runAsUser': int, 'runAsGroup': int},
    'Capabilities': {'add': [str], 'drop': [str]},
    'PodSecurity': {'supplementalGroups': [int], 'sysctls': ['Sysctl']},
    'Sysctl': {'name!': re.compile(r'[a-z0-9_]+([./][-a-z0-9_]+)*$'), 'value!': str},
    'Mount': {'name!': LABEL, 'mountPath!': re.compile(r'[^:]+$'), 'readOnly': bool, 'subPath': str},
    'Volume': {'name!': LABEL, 'emptyDir': 'EmptyDir', 'configMap': 'ConfigMapVolume', 'secret': 'SecretVolume',
               'persistentVolumeClaim': 'ClaimVolume'},
    'EmptyDir': {'medium': {'Memory'}, 'sizeLimit': QUANTITY},
    'ConfigMapVolume': {'name!': LABEL, 'defaultMode': int},
    'SecretVolume': {'secretName!': LABEL, 'defaultMode': int},
    'ClaimVolume': {'claimName!': LABEL},
    'HostAlias': {'ip!': str, 'hostnames!': [re.compile(r'[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')]},
    'Dns': {'nameservers': [str], 'searches': [str], 'options': ['DnsOption']},
    'DnsOption': {'name!': str, 'value': str},
}
API = {'Deployment': 'apps/v1', 'StatefulSet': 'apps/v1', 'Job': 'batch/v1', 'Service': 'v1', 'ConfigMap': 'v1',
       'Secret': 'v1', 'PersistentVolumeClaim': 'v1'}
RANGE = {'port': (1, 65535), 'targetPort': (1, 65535), 'containerPort': (1, 65535), 'replicas': (0, 2**31 - 1),
         'backoffLimit': (0, 2**31 - 1), 'defaultMode': (0, 0o777), 'failureThreshold': (1, 2**31 - 1),
         'periodSeconds': (1, 2**31 - 1), 'timeoutSeconds': (1, 2**31 - 1), 'initialDelaySeconds': (0, 2**31 - 1),
         'terminationGracePeriodSeconds': (0, 2**63 - 1), 'runAsUser': (0, 2**31 - 1), 'runAsGroup': (0, 2**31 - 1),
         'supplementalGroups': (0, 2**31 - 1)}


class Bad(Exception):
    pass


def need(true, where, why):
    if not true:
        raise Bad('%s: %s' % (where, why))


def check(value, kind, where):
    if isinstance(kind, str):
        need(isinstance(value, dict), where, 'it must be an object')
        fields = SPEC[kind]
        for name in value:
            need(name in fields or name + '!' in fields, where, 'unknown field %s' % name)
            check(value[name], fields.get(name, fields.get(name + '!')), '%s.%s' % (where, name))
        for name in fields:
            need(name[-1] != '!' or name[:-1] in value, where, 'there is no %s' % name[:-1])
    elif isinstance(kind, list):
        need(isinstance(value, list), where, 'it must be a list')
        for i, one in enumerate(value):
            check(one, kind[0], '%s[%d]' % (where, i))
    elif isinstance(kind, dict):
        need(isinstance(value, dict), where, 'it must be a map')
        (pattern, of), = kind.items()
        for name in value:
            need(isinstance(name, str) and pattern.match(name), where, 'key %r' % name)
            check(value[name], of, '%s.%s' % (where, name))
    elif isinstance(kind, set):
        need(isinstance(value, str) and value in kind, where, '%r is none of %s' % (value, ', '.join(sorted(kind))))
    elif isinstance(kind, re.Pattern):
        need(isinstance(value, str) and kind.match(value), where, 'value %r' % (value,))
    else:
        need(type(value) is kind, where, '%r is no %s' % (value, kind.__name__))
        least, most = RANGE.get(re.sub(r'\[\d+\]$', '', where).rpartition('.')[2], (value, value))
        need(kind is not int or least <= value <= most, where, '%r is out of range' % (value,))


def unlike(list_, key, where):
    seen = [key(x) for x in list_]
    need(len(set(seen)) == len(seen), where, 'twice the same')


def amount(text):
    number, unit = re.match(r'([\d.]+)(.*)', text).groups()
    powers = {'': 1, 'm': 0.001, 'k': 1000}
    for n, letter in enumerate('KMGTPE', 1):
        powers[letter], powers[letter + 'i'] = 1000 ** n, 1024 ** n
    return float(number) * powers[unit]


def pod(spec, have, claims, where):
    volumes = spec.get('volumes', [])
    unlike(volumes, lambda v: v['name'], where + '.volumes')
    for v in volumes:
        need(len(v) == 2, where, 'volume %s has not one source' % v['name'])
    names = {v['name'] for v in volumes} | claims
    need(len(names) == len(volumes) + len(claims), where, 'a claim and a volume of the same name')
    for kind, source, key in (('ConfigMap', 'configMap', 'name'), ('Secret', 'secret', 'secretName'),
                              ('PersistentVolumeClaim', 'persistentVolumeClaim', 'claimName')):
        for v in volumes:
            if source in v and not v[source][key].startswith('external'):
                need((kind, v[source][key]) in have, where, 'no %s %s' % (kind, v[source][key]))
    if spec.get('dnsPolicy') == 'None':
        need(spec.get('dnsConfig', {}).get('nameservers'), where, 'dnsPolicy None and no name server')
    need(len(spec.get('dnsConfig', {}).get('nameservers', [])) <= 3, where, 'more than 3 name servers')
    for alias in spec.get('hostAliases', []):
        ipaddress.ip_address(alias['ip'])
    unlike(spec.get('securityContext', {}).get('sysctls', []), lambda s: s['name'].replace('/', '.'), where)
    need(spec['containers'], where, 'no container')
    for c in spec['containers']:
        need(c['image'], where, 'no image')
        unlike(c.get('volumeMounts', []), lambda m: m['mountPath'], where + ': mounts')
        for m in c.get('volumeMounts', []):
            need(m['name'] in names, where, 'no volume %s' % m['name'])
            need(not m.get('subPath', '').startswith('/') and '..' not in m.get('subPath', '').split('/'), where,
                 'subPath %r' % m.get('subPath'))
        resources = c.get('resources', {})
        for what, least in resources.get('requests', {}).items():
            most = resources.get('limits', {}).get(what)
            need(not most or amount(least) <= amount(most), where, 'asks for more %s than it may have' % what)


def document(doc, have):
    kind = doc.get('kind')
    need(kind in API, kind, 'unknown kind')
    where = '%s %s' % (kind, doc.get('metadata', {}).get('name'))
    need(doc.get('apiVersion') == API[kind], where, 'apiVersion %s' % doc.get('apiVersion'))
    check(doc.get('metadata'), 'Meta', where + '.metadata')
    check({k: v for k, v in doc.items() if k not in ('apiVersion', 'kind', 'metadata')}, kind, where)
    if kind == 'Service':
        spec = doc['spec']
        need(spec.get('ports') or spec.get('clusterIP') == 'None', where, 'no ports')
        unlike(spec.get('ports', []), lambda p: p['name'], where)
        unlike(spec.get('ports', []), lambda p: (p['port'], p['protocol']), where)
    if kind not in ('Deployment', 'StatefulSet', 'Job'):
        return
    template = doc['spec']['template']
    if kind == 'Job':
        need(template['spec'].get('restartPolicy') in ('OnFailure', 'Never'), where, 'restartPolicy of a Job')
    else:
        need(template['spec'].get('restartPolicy', 'Always') == 'Always', where, 'restartPolicy')
        wanted = doc['spec']['selector']['matchLabels'].items()
        need(wanted <= template['metadata']['labels'].items(), where, 'the selector does not select the pods')
    if kind == 'StatefulSet':
        need(('Service', doc['spec']['serviceName']) in have, where, 'serviceName')
    claims = [t['metadata']['name'] for t in doc['spec'].get('volumeClaimTemplates', [])]
    pod(template['spec'], have, set(claims), where)


def main(files):
    bad = total = 0
    for file in files:
        with open(file, encoding='utf-8') as f:
            text = f.read()
        docs = list(yaml.safe_load_all(text))
        have = [(d['kind'], d['metadata']['name']) for d in docs]
        if len(set(have)) != len(have):
            print('%s: a name twice' % file)
            bad += 1
        for doc in docs:
            total += 1
            try:
                document(doc, set(have))
            except Bad as e:
                print('%s: %s' % (file, e))
                bad += 1
    print('%d objects, %d wrong' % (total, bad))
    return 1 if bad or not total else 0


sys.exit(main(sys.argv[1:]))
