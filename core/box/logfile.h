/* core/box/logfile.h -- a container's output on disk: containers/<id>/log, and log.1, log.2, ...
 * that were full before it.
 *
 * Framed so that any byte may occur, a tail is found from the end, and a torn last record (kill
 * -9, power loss, full
 * disk) is recognised, ignored by readers and cut off by the next writer:
 *	u32 magic and stream   u32 len   i64 time_ns   data[len]   u32 len      (little endian)
 * A record is whole lines of one stream that came at one time, at most LOG_LINE_MAX bytes of them,
 * or LOG_LINE_MAX bytes
 * of a longer line (the next record of the stream goes on with it).  The last line of a stream may
 * lack its newline.
 *
 * Rotation: log.1 becomes log.2 and so on, the oldest falls out, "log" is linked as log.1 and a
 * new file renamed over
 * it.  There is a "log" at every moment, and a file only moves to higher numbers: who opens them
 * from "log" upwards
 * misses none and knows one met twice (also after a crash in between) by its inode. */
#ifndef CORE_BOX_LOGFILE_H
#define CORE_BOX_LOGFILE_H

#include <stdint.h>

#include "core/base/str.h"

enum { LOG_LINE_MAX = 16384, LOG_FILES_MAX = 100 };
enum log_stream { LOG_STDOUT = 1, LOG_STDERR = 2 };

/* Writer, one a file.  Complete lines are in the file when logfile_write() returns; the beginning
 * of a line waits for
 * its end, at most LOG_LINE_MAX bytes a stream.  After an error (ENOSPC) the file ends with its
 * last whole record. */
struct logfile;
struct log_bound {
	uint64_t max_bytes; /* of one file; 0: no bound */
	unsigned max_files; /* the current one included, 1 to LOG_FILES_MAX; counts with max_bytes only */
};
/* DIR must stay open as long as the writer. */
struct err *logfile_open(int dir, const char *name, const struct log_bound *bound,
			 struct logfile **ret) MUST_CHECK;
struct err *logfile_write(struct logfile *l, enum log_stream stream, const void *data, size_t len,
			  int64_t now_ns) MUST_CHECK;
/* Incomplete last lines become records; call at the streams' end. */
struct err *logfile_flush(struct logfile *l, int64_t now_ns) MUST_CHECK;
void logfile_free(struct logfile *l);

/* Reader; any number of them, also while the files are written and rotated.  DIR must stay open as
 * long as the reader. */
struct log_record {
	enum log_stream stream;
	int64_t time_ns;
	const char *data; /* one or several lines; valid until the next call */
	size_t len;
};
struct logreader;
/* TAIL: start that many lines before the present end; UINT64_MAX: from the beginning.
 * SINCE_NS/UNTIL_NS: only records of this time, 0: no bound. */
struct err *logreader_open(int dir, const char *name, uint64_t tail, int64_t since_ns,
			   int64_t until_ns, struct logreader **ret) MUST_CHECK;
/* The next record; *ret_more is false at the present end (call again after more was written, for
 * -f). */
struct err *logreader_next(struct logreader *r, struct log_record *ret, bool *ret_more) MUST_CHECK;
void logreader_free(struct logreader *r);

#endif
