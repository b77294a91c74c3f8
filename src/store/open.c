/* Opening files for reading, and explaining why one does not open; declared in input.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/input.h"

const char *mpt_kind_of_file(mode_t mode) {
  switch (mode & S_IFMT) {
  case S_IFIFO:
    return "a FIFO";
  case S_IFDIR:
    return "a directory";
  case S_IFLNK:
    return "a symbolic link";
  case S_IFSOCK:
    return "a socket";
  case S_IFCHR:
  case S_IFBLK:
    return "a device";
  }
  return "no file";
}

/* A FIFO or a device is not opened: that can wait for ever, or act on the device. */
mpt_code mpt_expect_file(const char *name, const char *what, mpt_error *error) {
  struct stat about = {0};
  int reason = stat(name, &about) ? errno : 0;
  if (!reason && !S_ISREG(about.st_mode))
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot use %s '%s': it is %s, no regular file (give an HDF5 file)", what, name,
                    mpt_kind_of_file(about.st_mode));
  const int file = reason ? -1 : open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (!reason && file < 0) reason = errno;
  if (file >= 0) close(file);
  if (!reason) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_INPUT, "cannot open %s '%s': %s (check the path)", what, name,
                  strerror(reason));
}

/* What the entries of the error stack say about why a file did not open. */
typedef struct cause {
  bool locked, writing;
} cause;

static herr_t look_at_entry(unsigned n, const H5E_error2_t *entry, void *context) {
  cause *c = context;
  const char *text = entry->desc ? entry->desc : "";
  (void)n;
  c->locked |= strstr(text, "unable to lock file") != NULL;
  c->writing |= strstr(text, "already open for") != NULL;
  return 0;
}

static mpt_code does_not_open(const char *name, const char *what, mpt_error *error) {
  cause c = {0};
  H5Ewalk(H5E_DEFAULT, H5E_WALK_DOWNWARD, look_at_entry, &c);
  if (c.writing)
    return mpt_fail(
        error, MPT_BAD_INPUT,
        "cannot read %s '%s': a program has it open for writing, or died doing so (wait "
        "for it, or clear the mark with h5clear -s)",
        what, name);
  if (c.locked)
    return mpt_fail(error, MPT_BAD_INPUT,
                    "cannot read %s '%s': the file is locked, by a program that writes it or by a "
                    "file system without locks (let that end, or set HDF5_USE_FILE_LOCKING=FALSE)",
                    what, name);
  return mpt_fail(error, MPT_BAD_INPUT,
                  "cannot read %s '%s': the HDF5 file is truncated, damaged or being written (make "
                  "it again)",
                  what, name);
}

mpt_code mpt_open_for_reading(const char *name, const char *what, hid_t *file, mpt_error *error) {
  mpt_code code = MPT_DONE;
  *file = H5I_INVALID_HID;
  H5Eset_auto(H5E_DEFAULT, NULL, NULL);
  TRY(mpt_expect_file(name, what, error));
  if (H5Fis_hdf5(name) <= 0) {
    cause c = {0};
    H5Ewalk(H5E_DEFAULT, H5E_WALK_DOWNWARD, look_at_entry, &c);
    if (c.locked) return does_not_open(name, what, error);
    return mpt_fail(error, MPT_BAD_INPUT, "cannot read %s '%s': not an HDF5 file (give one)", what,
                    name);
  }
  *file = H5Fopen(name, H5F_ACC_RDONLY, H5P_DEFAULT);
  if (*file < 0) code = does_not_open(name, what, error);
done:
  return code;
}
