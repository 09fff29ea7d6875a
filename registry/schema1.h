/* registry/schema1.h -- manifests of the time before 2016, which registries still hold, read into today's.  Pure.
 * Source: distribution, docs/spec/manifest-v2-1.md (and its deprecated signed form), Docker image specification 1.0.
 *
 * Such a manifest lists its layers newest first, says neither their size nor what they unpack to, and has the
 * configuration as a text within the text ("v1Compatibility"), one for each layer.  A signed one is known under the
 * digest of what was signed.  Nobody can check the signature itself any more: the names of its keys are on no list. */
#ifndef REGISTRY_SCHEMA1_H
#define REGISTRY_SCHEMA1_H

#include "registry/manifest.h"

/* Is the document one of these?  What is no JSON at all is none. */
bool schema1_is(const char *text, size_t len);
/* The digest that the registry knows it under, into BUF of DIGEST_LEN + 1 bytes. */
void schema1_digest(const char *text, size_t len, char *buf);
/* Layers, bottom first, without those that only said something in the history; their sizes are SIZE_UNKNOWN.  Errors:
 * malformed, or for another platform than WANT. */
struct err *schema1_parse(const char *text, size_t len, const struct platform *want,
			  struct manifest *ret) MUST_CHECK;
/* The image's configuration, of a document that schema1_parse() has taken.  The caller frees *ret_text. */
struct err *schema1_config(const char *text, size_t len, const struct strv *diff_ids,
			   char **ret_text, size_t *ret_len) MUST_CHECK;

#endif
