/* core/compose/request.h -- what a service of a project asks of core/box: its containers' names, labels and options.
 * Sources: Compose specification (services), docker/compose (names and labels). */
#ifndef CORE_COMPOSE_REQUEST_H
#define CORE_COMPOSE_REQUEST_H

#include "core/box/box.h"
#include "core/compose/model.h"

#define LABEL_PREFIX "com.docker.compose."
#define LABEL_PROJECT LABEL_PREFIX "project"
#define LABEL_SERVICE LABEL_PREFIX "service"
#define LABEL_NUMBER LABEL_PREFIX "container-number"
#define LABEL_ONEOFF LABEL_PREFIX "oneoff" /* "True", "False" */
#define LABEL_HASH LABEL_PREFIX "config-hash"
#define LABEL_DEPENDS LABEL_PREFIX "depends_on" /* "db:service_healthy:false,..." */
#define LABEL_DIRECTORY LABEL_PREFIX "project.working_dir"
#define LABEL_FILES LABEL_PREFIX "project.config_files"
#define LABEL_IMAGE LABEL_PREFIX "image" /* the image's id */
#define LABEL_REPLACE LABEL_PREFIX "replace" /* name of the container whose place it takes */
#define LABEL_VERSION LABEL_PREFIX "version"
#define LABEL_NETWORK LABEL_PREFIX "network"
#define LABEL_VOLUME LABEL_PREFIX "volume"

/* The store's directory of files for secrets and configs that projects hold as text, a directory for each. */
#define REQUEST_FILES "projects"

/* The name of container NUMBER of S: container_name, or "<project>-<service>-<number>" ("_" between with
 * --compatibility).  The arena's. */
const char *container_name(struct project *p, const struct service *s, unsigned number,
			   bool underscores);
/* The real name of network or volume KEY; SECTION is "networks", "volumes", ...  NULL if there is none. */
const char *real_name(const struct project *p, const char *section, const char *key);

/* A container of S.  Zero is what `up` makes. */
struct request_opts {
	const char *name; /* NULL: container_name() */
	unsigned number; /* from 1 */
	bool oneoff; /* run: another label, no fixed name, and ports only if WITH_PORTS */
	bool with_ports, with_aliases;
	bool underscores; /* version 1's names */
	const struct image *image;
	/* The container that this one replaces: its anonymous volumes are kept. */
	const struct box *replaces;
	bool renew_volumes; /* they are not */
	/* Containers of the services that links, volumes_from and network_mode name. */
	const char *(*peer)(void *arg, const char *service, unsigned number); /* name or NULL */
	void *arg;
	struct strv *notes; /* what is otherwise than asked for */
};
/* Fill REQ; its texts are the arena's or P's, its lists REQ's own: request_done().
 * Errors name the place in the file: what cannot be had is refused, not ignored. */
struct err *request_make(struct project *p, const struct service *s, const struct request_opts *o,
			 struct store *st, struct run_request *ret) MUST_CHECK;
/* What request_make() would refuse whatever else is there: before anything is made. */
struct err *request_check(struct project *p, const struct service *s) MUST_CHECK;
/* "-p" of `run`: ports below those this user may open move, with a note.  What REPLACES (may be NULL) has is free. */
struct err *request_port(const char *text, const struct project *p, const char *service,
			 const struct box *replaces, struct run_request *req, struct strv *notes)
	MUST_CHECK;
void request_done(struct run_request *req);

#endif
