/* A plug-in for Slurm that takes the options of Pyxis which ssdbench uses, as root and without enroot.
 *
 * An image is unpacked by the program that plugstack.conf names (pyxis_images.py). The task enters it by chroot, in a
 * mount namespace of its own, with the variables of the image, which win over those of the step unless
 * --container-env names them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <slurm/spank.h>

SPANK_PLUGIN(pyxis, 1);

static char *image, *mounts, *workdir, *names, *save;
static char root[] = "/tmp/pyxis-root-XXXXXX";
static int is_made;

static int keep(int which, const char *value, int remote)
{
	char **places[] = {&image, &mounts, &workdir, &names, &save};

	(void)remote;
	*places[which] = value ? strdup(value) : NULL;
	return 0;
}

static int ignore(int which, const char *value, int remote)
{
	(void)which, (void)value, (void)remote;
	return 0;
}

static struct spank_option options[] = {
	{"container-image", "IMAGE", "[pyxis] an image", 1, 0, keep},
	{"container-mounts", "SRC:DST[:FLAGS],...", "[pyxis] mounts", 1, 1, keep},
	{"container-workdir", "PATH", "[pyxis] working directory", 1, 2, keep},
	{"container-env", "NAME,...", "[pyxis] variables of the host that win", 1, 3, keep},
	{"container-save", "PATH", "[pyxis] save to a file", 1, 4, keep},
	{"container-writable", NULL, "[pyxis] writable", 0, 0, ignore},
	{"no-container-mount-home", NULL, "[pyxis] no home", 0, 0, ignore},
	SPANK_OPTIONS_TABLE_END};

int slurm_spank_init(spank_t spank, int count, char **words)
{
	(void)count, (void)words;
	for (struct spank_option *option = options; option->name; option++)
		if (spank_option_register(spank, option) != ESPANK_SUCCESS)
			return -1;
	return 0;
}

static int run(const char *program, const char *first, const char *second, const char *third)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		execl(program, program, first, second, third, NULL);
		_exit(127);
	}
	return child < 0 || waitpid(child, &status, 0) < 0 || status ? -1 : 0;
}

static void make(char *path, int is_folder)
{
	for (char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		*end = 0;
		mkdir(path, 0755);
		*end = '/';
	}
	if (is_folder)
		mkdir(path, 0755);
	else
		close(open(path, O_CREAT | O_WRONLY, 0644));
}

static int bind_in(const char *source, const char *target, int read_only)
{
	char path[4096];
	struct stat found;

	if (stat(source, &found))
		return -1;
	snprintf(path, sizeof path, "%s%s", root, target);
	make(path, S_ISDIR(found.st_mode));
	if (mount(source, path, NULL, MS_BIND | MS_REC, NULL))
		return -1;
	return read_only ? mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) : 0;
}

static int bind_all(void)
{
	for (char *one; mounts && (one = strsep(&mounts, ","));) {
		char *source = strsep(&one, ":"), *target = strsep(&one, ":");

		if (!target || bind_in(source, target, one && !strcmp(one, "ro"))) {
			slurm_error("pyxis: cannot mount %s", source);
			return -1;
		}
	}
	return 0;
}

static int is_named(const char *name)
{
	size_t length = strlen(name);

	for (const char *at = names; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, name, length) && (at[length] == ',' || !at[length]))
			return 1;
	}
	return 0;
}

static void set_variables(spank_t spank)
{
	char line[65536];
	FILE *file = fopen("/etc/environment", "r");

	while (file && fgets(line, sizeof line, file)) {
		char *value = strchr(line, '=');

		line[strcspn(line, "\n")] = 0;
		if (!value)
			continue;
		*value++ = 0;
		if (!is_named(line))
			spank_setenv(spank, line, value, 1);
	}
	if (file)
		fclose(file);
}

int slurm_spank_task_init(spank_t spank, int count, char **words)
{
	if (!image)
		return 0;
	if (count < 1 || run(words[0], image, root, save ? save : "")) {
		slurm_error("pyxis: failed to import %s", image);
		return -1;
	}
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || bind_in("/proc", "/proc", 0) ||
	    bind_in("/dev", "/dev", 0) || bind_in("/sys", "/sys", 0) || bind_in("/etc/hosts", "/etc/hosts", 1) ||
	    bind_in("/etc/resolv.conf", "/etc/resolv.conf", 1) || bind_all())
		return -1;
	if (chroot(root) || chdir(workdir ? workdir : "/")) {
		slurm_error("pyxis: cannot enter %s: %s", root, strerror(errno));
		return -1;
	}
	set_variables(spank);
	return 0;
}

int slurm_spank_init_post_opt(spank_t spank, int count, char **words)
{
	(void)count, (void)words;
	if (image && spank_remote(spank) == 1)
		is_made = mkdtemp(root) != NULL;
	return 0;
}

int slurm_spank_exit(spank_t spank, int count, char **words)
{
	(void)spank, (void)count, (void)words;
	return is_made ? run("/bin/rm", "-rf", "--one-file-system", root) : 0;
}
