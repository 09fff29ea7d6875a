/* cmd/foreign.h -- Docker's options that devbox's verbs have no use for: each is known, and either asks for what is
 * done anyway, or is refused with the reason.  None is ignored in silence, none is an "unknown flag". */
#ifndef CMD_FOREIGN_H
#define CMD_FOREIGN_H

#include "cmd/verb.h"

/* The foreign options of V, which --help does not mention, and behind them V's own.  The caller frees the table. */
struct opt *foreign_opts(const struct verb *v);
/* Docker's options before the verb, likewise. */
struct opt *foreign_global_opts(void);
/* Why there is no verb or group NAME, which Docker has; NULL if Docker has none either. */
const char *foreign_verb(const char *name);

#endif
