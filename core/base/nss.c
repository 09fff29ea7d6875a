/* core/base/nss.c -- libc's look-ups that load code at run time, replaced by ones that fail.
 *
 * A static glibc program that calls getaddrinfo(), getpwnam() and their kin dlopen()s the modules named in
 * /etc/nsswitch.conf.  Those belong to the glibc of the machine we run on, not to the one inside this binary: on a
 * distribution with another version the process dies (seen: SIGFPE in getpwuid() with "passwd: files systemd").
 * devbox calls none of them: users are read from passwd files, hosts are resolved by c-ares inside libcurl.
 * But the libraries mention them on paths we never take (libarchive's owner names, OpenSSL's BIO_connect and DSO,
 * c-ares' service names), and a mention is enough to link libc's machinery in.
 *
 * So each name is defined here, first in the link: libc's members are never pulled, and should a library take such a
 * path after all it gets a plain "not found".  build.sh treats the linker's "Using '...' in statically linked
 * applications" warning as an error and checks that no __nss_ symbol came in; a new name then joins this list.
 * The prototypes come from libc's own headers, so a wrong one does not compile. */
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/socket.h>

/* What libc itself loads modules with (iconv's converters are the only user left); no header declares them. */
void *__libc_dlopen_mode(const char *file, int mode);
void *__libc_dlsym(void *handle, const char *name);
void *__libc_dlvsym(void *handle, const char *name, const char *version);
int __libc_dlclose(void *handle);

/* Hosts. */

int getaddrinfo(const char *restrict node, const char *restrict service,
		const struct addrinfo *restrict hints, struct addrinfo **restrict res)
{
	(void)node, (void)service, (void)hints, (void)res;
	return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *res)
{
	(void)res; /* getaddrinfo() above never makes one */
}

int getnameinfo(const struct sockaddr *restrict sa, socklen_t salen, char *restrict host,
		socklen_t hostlen, char *restrict serv, socklen_t servlen, int flags)
{
	(void)sa, (void)salen, (void)host, (void)hostlen, (void)serv, (void)servlen, (void)flags;
	return EAI_FAIL;
}

struct hostent *gethostbyname(const char *name)
{
	(void)name;
	return NULL;
}

struct hostent *gethostbyname2(const char *name, int af)
{
	(void)name, (void)af;
	return NULL;
}

struct hostent *gethostbyaddr(const void *addr, socklen_t len, int type)
{
	(void)addr, (void)len, (void)type;
	return NULL;
}

int gethostbyname_r(const char *restrict name, struct hostent *restrict ret, char *restrict buf,
		    size_t size, struct hostent **restrict result, int *restrict herr)
{
	(void)name, (void)ret, (void)buf, (void)size;
	*result = NULL;
	*herr = HOST_NOT_FOUND;
	return ENOENT;
}

int gethostbyname2_r(const char *restrict name, int af, struct hostent *restrict ret, char *restrict buf,
		     size_t size, struct hostent **restrict result, int *restrict herr)
{
	(void)af;
	return gethostbyname_r(name, ret, buf, size, result, herr);
}

/* Services: c-ares asks when a port is given by name, which devbox never does. */

struct servent *getservbyname(const char *name, const char *proto)
{
	(void)name, (void)proto;
	return NULL;
}

struct servent *getservbyport(int port, const char *proto)
{
	(void)port, (void)proto;
	return NULL;
}

int getservbyname_r(const char *restrict name, const char *restrict proto, struct servent *restrict ret,
		    char *restrict buf, size_t size, struct servent **restrict result)
{
	(void)name, (void)proto, (void)ret, (void)buf, (void)size;
	*result = NULL;
	return ENOENT;
}

int getservbyport_r(int port, const char *restrict proto, struct servent *restrict ret,
		    char *restrict buf, size_t size, struct servent **restrict result)
{
	(void)port, (void)proto, (void)ret, (void)buf, (void)size;
	*result = NULL;
	return ENOENT;
}

/* Users and groups.  A NULL result with return value 0 is getpwnam_r(3)'s "no such entry". */

struct passwd *getpwnam(const char *name)
{
	(void)name;
	return NULL;
}

struct passwd *getpwuid(uid_t uid)
{
	(void)uid;
	return NULL;
}

int getpwnam_r(const char *restrict name, struct passwd *restrict ret, char *restrict buf,
	       size_t size, struct passwd **restrict result)
{
	(void)name, (void)ret, (void)buf, (void)size;
	*result = NULL;
	return 0;
}

int getpwuid_r(uid_t uid, struct passwd *restrict ret, char *restrict buf, size_t size,
	       struct passwd **restrict result)
{
	(void)uid, (void)ret, (void)buf, (void)size;
	*result = NULL;
	return 0;
}

struct group *getgrnam(const char *name)
{
	(void)name;
	return NULL;
}

struct group *getgrgid(gid_t gid)
{
	(void)gid;
	return NULL;
}

int getgrnam_r(const char *restrict name, struct group *restrict ret, char *restrict buf,
	       size_t size, struct group **restrict result)
{
	(void)name, (void)ret, (void)buf, (void)size;
	*result = NULL;
	return 0;
}

int getgrgid_r(gid_t gid, struct group *restrict ret, char *restrict buf, size_t size,
	       struct group **restrict result)
{
	(void)gid, (void)ret, (void)buf, (void)size;
	*result = NULL;
	return 0;
}

int getgrouplist(const char *user, gid_t group, gid_t *groups, int *n)
{
	(void)user, (void)group, (void)groups;
	*n = 0;
	return -1;
}

int initgroups(const char *user, gid_t group)
{
	(void)user, (void)group;
	errno = ENOSYS; /* would read the host's /etc/group: the container's is another */
	return -1;
}

/* Shared objects: OpenSSL's engines and providers, which a static build does not have. */

void *dlopen(const char *file, int mode)
{
	(void)file, (void)mode;
	return NULL;
}

void *dlsym(void *restrict handle, const char *restrict name)
{
	(void)handle, (void)name;
	return NULL;
}

int dlclose(void *handle)
{
	(void)handle;
	return -1;
}

int dladdr(const void *addr, Dl_info *info)
{
	(void)addr, (void)info;
	return 0;
}

char *dlerror(void)
{
	static char text[] = "not in a static program";

	return text;
}

/* iconv() keeps the conversions compiled into libc (ASCII, UTF-8, UTF-16, UCS-4); others are "not available". */

void *__libc_dlopen_mode(const char *file, int mode)
{
	return dlopen(file, mode);
}

void *__libc_dlsym(void *handle, const char *name)
{
	return dlsym(handle, name);
}

void *__libc_dlvsym(void *handle, const char *name, const char *version)
{
	(void)version;
	return dlsym(handle, name);
}

int __libc_dlclose(void *handle)
{
	return dlclose(handle);
}
