/* core/compose/kube.h -- a project as objects of Kubernetes: what goes on where one machine is not enough.  Pure.
 *
 *	a service	Deployment; StatefulSet if it has named volumes; Job if another waits for its end
 *			and a Service of its name: with its ports, without any it is headless, so that the name resolves
 *	volumes_from	the mounts, as if they were the service's own
 *	a volume	volumeClaimTemplates of the one service that has it, else a PersistentVolumeClaim
 *	a config	ConfigMap; a secret: Secret.  Each is mounted as the one file it is
 *	a healthcheck	readinessProbe: Docker, too, does not restart what is unhealthy
 *
 * A Service's port is the container's, as peers in a compose project use it; published ports are left to the user.
 * Names are made to fit RFC 1123 (letters, digits, '-'), with a number behind where two would be the same.
 * Source: the API reference of Kubernetes: apps/v1, batch/v1, core/v1; RFC 1123. */
#ifndef CORE_COMPOSE_KUBE_H
#define CORE_COMPOSE_KUBE_H

#include "core/compose/model.h"

enum { KUBE_FILE_MAX = 1 << 20 }; /* what a ConfigMap or Secret may hold */

/* Documents of YAML for the enabled services of P, in the order to apply them.  NOTES gets what could not be said,
 * once per key.  READ gives the content of a config's or secret's file, to be freed here.
 * Errors: READ's, a variable of a secret that is not set.  The caller frees *RET. */
struct err *kube_text(struct project *p,
		      struct err *(*read)(const char *path, char **ret, size_t *ret_len),
		      struct strv *notes, char **ret) MUST_CHECK;

#endif
