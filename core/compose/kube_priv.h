/* core/compose/kube_priv.h -- what kube.c (documents, names, notes) and kube_pod.c (containers) share. */
#ifndef CORE_COMPOSE_KUBE_PRIV_H
#define CORE_COMPOSE_KUBE_PRIV_H

#include "core/compose/kube.h"

#define LABEL_NAME "app.kubernetes.io/name"
#define LABEL_PART_OF "app.kubernetes.io/part-of"

struct kube {
	struct project *p;
	struct arena *a; /* the project's */
	struct err *(*read)(const char *path, char **ret, size_t *ret_len);
	const struct node *used; /* see project_used() */
	struct node *names; /* of each section: key to name */
	struct node *lost; /* key to those that have it */
	struct strv *notes;
	struct str out;
};

/* Set KEY of MAP; TEXT lives as long as the arena or the project. */
void kube_put(struct kube *k, struct node *map, const char *key, const char *text);
void kube_put_int(struct kube *k, struct node *map, const char *key, int64_t n);
void kube_put_true(struct kube *k, struct node *map, const char *key);
/* The map or list KEY of MAP; made if there is none. */
struct node *kube_map(struct kube *k, struct node *map, const char *key);
struct node *kube_list(struct kube *k, struct node *map, const char *key);
/* A new map, or TEXT, at the end of the list KEY of MAP. */
struct node *kube_item(struct kube *k, struct node *map, const char *key);
void kube_word(struct kube *k, struct node *map, const char *key, const char *text);

/* KEY of OF (a service, a volume) could not be said. */
void kube_lost(struct kube *k, const char *key, const char *of);
/* The name that KEY of SECTION has in the cluster. */
const char *kube_name(const struct kube *k, const char *section, const char *key);
/* TEXT as a name that is not in TAKEN, and is from now on. */
const char *kube_unique(struct kube *k, struct node *taken, const char *text);
bool kube_is_label(const char *text); /* as RFC 1123 has it */
/* Has one service with one container the volume to itself? */
bool kube_volume_is_own(const struct kube *k, const char *volume);
/* Does a service wait for the end of S? */
bool kube_is_job(const struct kube *k, const struct service *s);

/* What runs for S: META (of the template) gets annotations, POD the container and its volumes, SPEC (of the workload)
 * volumeClaimTemplates with names alone.  PORTS are the Service's, or NULL. */
void kube_pod(struct kube *k, const struct service *s, struct node *meta, struct node *pod,
	      struct node *spec, const struct node *ports);

#endif
