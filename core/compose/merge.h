/* core/compose/merge.h -- one tree laid over another, by Compose's rules.  Both are in the long form (schema.h).  Pure.
 * Source: compose-spec/13-merge.md. */
#ifndef CORE_COMPOSE_MERGE_H
#define CORE_COMPOSE_MERGE_H

#include "core/compose/schema.h"

/* Lay OVER over BASE (NULL: nothing yet), both of type KEY; OVER is used up.  !reset and !override are carried out and
 * gone afterwards.  Entries of a list that mean the same thing are there once. */
struct node *merge_nodes(struct arena *a, const struct key *key, struct node *base, struct node *over);

#endif
