#include "core/base/dbus.h"

enum { HEAD = 16, VERSION = 1 };
enum field {
	FIELD_PATH = 1,
	FIELD_INTERFACE,
	FIELD_MEMBER,
	FIELD_ERROR,
	FIELD_REPLY_SERIAL,
	FIELD_DESTINATION,
	FIELD_SENDER,
	FIELD_SIGNATURE
};

static uint32_t get_u32(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;

	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void set_u32(char *at, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(n >> 8 * i);
}

/* --- writing --- */

void dbus_align(struct str *body, size_t n)
{
	while (body->len % n)
		str_addc(body, '\0');
}

void dbus_put_u32(struct str *body, uint32_t n)
{
	char le[4];

	set_u32(le, n);
	dbus_align(body, 4);
	str_addn(body, le, sizeof(le));
}

void dbus_put_str(struct str *body, const char *text)
{
	dbus_put_u32(body, (uint32_t)strlen(text));
	str_addn(body, text, strlen(text) + 1);
}

void dbus_put_signature(struct str *body, const char *signature)
{
	str_addc(body, (char)strlen(signature));
	str_addn(body, signature, strlen(signature) + 1);
}

void dbus_array_begin(struct str *body, size_t align, size_t *ret_at)
{
	dbus_put_u32(body, 0);
	*ret_at = body->len;
	dbus_align(body, align);
}

void dbus_array_end(struct str *body, size_t align, size_t at)
{
	size_t first = (at + align - 1) / align * align; /* the padding before it does not count */

	set_u32(body->s + at - 4, (uint32_t)(body->len - first));
}

static void put_field(struct str *out, enum field field, const char *type, const char *text)
{
	if (!text)
		return;
	dbus_align(out, 8);
	str_addc(out, (char)field);
	dbus_put_signature(out, type);
	if (*type == 'g')
		dbus_put_signature(out, text);
	else
		dbus_put_str(out, text);
}

void dbus_compose(const struct dbus_call *c, const struct str *body, struct str *out)
{
	_cleanup_str_ struct str m = { 0 };
	size_t fields;

	str_addc(&m, 'l');
	str_addc(&m, DBUS_CALL);
	str_addc(&m, 0); /* flags */
	str_addc(&m, VERSION);
	dbus_put_u32(&m, (uint32_t)body->len);
	dbus_put_u32(&m, c->serial);
	dbus_array_begin(&m, 8, &fields);
	put_field(&m, FIELD_PATH, "o", c->path);
	put_field(&m, FIELD_DESTINATION, "s", c->destination);
	put_field(&m, FIELD_INTERFACE, "s", c->interface);
	put_field(&m, FIELD_MEMBER, "s", c->member);
	put_field(&m, FIELD_SIGNATURE, "g", body->len ? c->signature : NULL);
	dbus_array_end(&m, 8, fields);
	dbus_align(&m, 8);
	str_addn(out, m.s, m.len);
	str_addn(out, body->s, body->len);
}

/* --- reading --- */

/* A position in DATA of LEN bytes, which alignments count from the beginning of. */
struct cursor {
	const char *data;
	size_t len, at;
};

static bool align(struct cursor *c, size_t n)
{
	c->at = (c->at + n - 1) / n * n;
	return c->at <= c->len;
}

static bool take_u32(struct cursor *c, uint32_t *ret)
{
	if (!align(c, 4) || c->len - c->at < 4)
		return false;
	*ret = get_u32(c->data + c->at);
	c->at += 4;
	return true;
}

/* LEN bytes and the NUL behind them; the text holds no other. */
static bool take_text(struct cursor *c, size_t len, const char **ret)
{
	if (c->len - c->at <= len || strnlen(c->data + c->at, len + 1) != len)
		return false;
	*ret = c->data + c->at;
	c->at += len + 1;
	return true;
}

static bool take_str(struct cursor *c, const char **ret)
{
	uint32_t len;

	return take_u32(c, &len) && take_text(c, len, ret);
}

static bool take_signature(struct cursor *c, const char **ret)
{
	if (c->at >= c->len)
		return false;
	c->at++;
	return take_text(c, (unsigned char)c->data[c->at - 1], ret);
}

/* One value of the simple type TYPE; a text or a number comes back. */
static bool take_value(struct cursor *c, char type, const char **ret_text, uint32_t *ret_number)
{
	switch (type) {
	case 'u':
	case 'b':
		return take_u32(c, ret_number);
	case 's':
	case 'o':
		return take_str(c, ret_text);
	case 'g':
		return take_signature(c, ret_text);
	default:
		return false;
	}
}

static bool take_field(struct cursor *c, struct dbus_msg *m)
{
	const char *type, *text = NULL;
	uint32_t number = 0;
	unsigned char field;

	if (!align(c, 8) || c->at >= c->len)
		return false;
	field = (unsigned char)c->data[c->at++];
	if (!take_signature(c, &type) || !type[0] || type[1] || !take_value(c, *type, &text, &number))
		return false;
	if (field == FIELD_MEMBER)
		m->member = text;
	else if (field == FIELD_ERROR)
		m->error = text;
	else if (field == FIELD_SIGNATURE)
		m->signature = text;
	else if (field == FIELD_REPLY_SERIAL)
		m->reply_serial = number;
	return true;
}

struct err *dbus_parse(const char *data, size_t len, struct dbus_msg *ret, size_t *ret_size)
{
	struct dbus_msg m = { 0 };
	uint32_t body_len, fields_len;
	struct cursor c = { data, 0, HEAD };
	size_t head;

	*ret_size = 0;
	if (len < HEAD)
		return NULL;
	if (data[0] != 'l' || data[3] != VERSION)
		return err_new(0, "not a D-Bus message: unknown byte order or version");
	body_len = get_u32(data + 4);
	fields_len = get_u32(data + 12);
	if (body_len > DBUS_MESSAGE_MAX || fields_len > DBUS_MESSAGE_MAX)
		return err_new(0, "not a D-Bus message: larger than %d bytes", DBUS_MESSAGE_MAX);
	head = (HEAD + (size_t)fields_len + 7) / 8 * 8;
	if (len < head + body_len)
		return NULL;
	c.len = HEAD + fields_len;
	while (c.at < c.len)
		if (!take_field(&c, &m))
			return err_new(0, "not a D-Bus message: damaged header");
	m.type = (unsigned char)data[1];
	m.signature = m.signature ?: "";
	m.body = data + head;
	m.body_len = body_len;
	*ret = m;
	*ret_size = head + body_len;
	return NULL;
}

const char *dbus_arg_str(const struct dbus_msg *m, size_t n)
{
	struct cursor c = { m->body, m->body_len, 0 };
	const char *text = NULL;
	uint32_t number;

	for (size_t i = 0; i <= n; i++)
		if (!m->signature[i] || !take_value(&c, m->signature[i], &text, &number))
			return NULL;
	return strchr("sog", m->signature[n]) ? text : NULL;
}
