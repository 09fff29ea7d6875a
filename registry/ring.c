#include "registry/ring.h"

#include <pthread.h>

#include "core/base/str.h"

/* Enough that on a busy machine each side uses up its time slice before it has to wait for the other one. */
enum { BUFFERS = 8, BUFFER_SIZE = 256 << 10 };

struct ring {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	size_t len[BUFFERS];
	unsigned filled; /* buffers given to the reader so far */
	unsigned emptied; /* given back by it */
	bool ended, failed, closed;
	/* the writer's */
	size_t at; /* used of buffer filled % BUFFERS */
	/* the reader's */
	bool reading; /* it holds buffer emptied % BUFFERS */
	char *buf[BUFFERS];
};

struct ring *ring_new(void)
{
	struct ring *r = xcalloc(1, sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	for (size_t i = 0; i < BUFFERS; i++)
		r->buf[i] = xmalloc(BUFFER_SIZE);
	return r;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	for (size_t i = 0; i < BUFFERS; i++)
		free(r->buf[i]);
	free(r);
}

struct err *ring_room(struct ring *r, void **ret_buf, size_t *ret_size)
{
	struct err *e = NULL;

	if (!r->at) {
		pthread_mutex_lock(&r->lock);
		while (r->filled - r->emptied == BUFFERS && !r->closed)
			pthread_cond_wait(&r->changed, &r->lock);
		if (r->closed)
			e = err_new(ECANCELED, "passing data on");
		pthread_mutex_unlock(&r->lock);
	}
	*ret_buf = r->buf[r->filled % BUFFERS] + r->at;
	*ret_size = BUFFER_SIZE - r->at;
	return e;
}

static void hand_over(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->len[r->filled % BUFFERS] = r->at;
	r->filled++;
	r->at = 0;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

struct err *ring_done(struct ring *r, size_t len)
{
	r->at += len;
	if (r->at == BUFFER_SIZE)
		hand_over(r);
	return NULL;
}

void ring_end(struct ring *r, bool ok)
{
	if (ok && r->at)
		hand_over(r);
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	r->failed = !ok;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

struct err *ring_read(struct ring *r, const void **ret_data, size_t *ret_len)
{
	struct err *e = NULL;

	pthread_mutex_lock(&r->lock);
	if (r->reading) {
		r->reading = false;
		r->emptied++;
		/* not for each buffer: a writer that waits shall find work for a while */
		if (r->filled - r->emptied == BUFFERS / 2)
			pthread_cond_signal(&r->changed);
	}
	while (r->filled == r->emptied && !r->ended)
		pthread_cond_wait(&r->changed, &r->lock);
	*ret_len = 0;
	if (r->failed) {
		e = err_new(ECANCELED, "waiting for data");
	} else if (r->filled != r->emptied) {
		r->reading = true;
		*ret_data = r->buf[r->emptied % BUFFERS];
		*ret_len = r->len[r->emptied % BUFFERS];
	}
	pthread_mutex_unlock(&r->lock);
	return e;
}

void ring_close(struct ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->closed = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}
