/* Fingerprints and identities of files; declared in input.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "store/input.h"

enum { BLOCK = 64 << 10, BLOCKS = 1024, STREAMS = 4, STRIDE = STREAMS * sizeof(uint64_t) };
static const uint64_t basis = UINT64_C(0xcbf29ce484222325), prime = UINT64_C(0x100000001b3);

/* The coarsest clock ticks of file systems, in seconds: of any file system, and of those whose
 * times have fractions of a second. */
static const double coarsest_tick = 2, fine_tick = 0.05;

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * prime;
  return hash ^ hash >> 29;
}

/* FNV-1a over 64-bit words with a finishing shift, in parallel streams. It tells files apart; it is
 * not cryptographic. */
static uint64_t hash_block(uint64_t seed, const unsigned char *data, size_t bytes) {
  uint64_t streams[STREAMS], words[STREAMS], hash = mix(basis, seed);
  for (int s = 0; s < STREAMS; s++) streams[s] = hash + (uint64_t)s;
  for (size_t i = 0; i < bytes; i += STRIDE) {
    memset(words, 0, sizeof words);
    memcpy(words, data + i, bytes - i < STRIDE ? bytes - i : STRIDE);
    for (int s = 0; s < STREAMS; s++) streams[s] = mix(streams[s], words[s]);
  }
  for (int s = 0; s < STREAMS; s++) hash = mix(hash, streams[s]);
  return hash;
}

/* Reads a block, or as much as there is; one pread may return less. */
static ssize_t read_block(int file, unsigned char *block, off_t at) {
  ssize_t all = 0;
  for (ssize_t got = 1; got > 0 && all < BLOCK; all += got) {
    got = pread(file, block + all, (size_t)(BLOCK - all), at + all);
    if (got < 0) return -1;
  }
  return all;
}

/* Adds the hashes of this part's blocks. */
static bool hash_blocks(int file, int64_t blocks, int part, int parts, uint64_t *sum) {
  unsigned char *block = malloc(BLOCK);
  const int64_t taken = blocks < BLOCKS ? blocks : BLOCKS;
  bool read_all = block != NULL;
  for (int64_t k = part; read_all && k < taken; k += parts) {
    const int64_t at = taken > 1 ? (blocks - 1) * k / (taken - 1) : 0;
    const ssize_t got = read_block(file, block, at * BLOCK);
    read_all = got >= 0;
    if (got > 0) *sum += hash_block((uint64_t)k, block, (size_t)got);
  }
  free(block);
  return read_all;
}

mpt_code mpt_fingerprint_part(int file, const char *name, int part, int parts, uint64_t *sum,
                              mpt_error *error) {
  struct stat about;
  bool read_all = file >= 0 && !fstat(file, &about);
  const int64_t blocks = read_all ? (about.st_size + BLOCK - 1) / BLOCK : 0;
  *sum = 0;
  if (read_all && part == 0) {
    *sum = mix(basis, (uint64_t)about.st_size);
    if (blocks > BLOCKS)
      *sum = mix(mix(*sum, (uint64_t)about.st_mtim.tv_sec), (uint64_t)about.st_mtim.tv_nsec);
  }
  if (read_all && hash_blocks(file, blocks, part, parts, sum)) return MPT_DONE;
  return mpt_fail(error, MPT_BAD_INPUT, "cannot read input '%s': %s (check the path)", name,
                  strerror(errno));
}

void mpt_fingerprint_write(uint64_t sum, char out[17]) {
  snprintf(out, 17, "%016llx", (unsigned long long)sum);
}

mpt_code mpt_fingerprint(const char *name, char out[17], mpt_error *error) {
  uint64_t sum;
  const int file = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const mpt_code code = mpt_fingerprint_part(file, name, 0, 1, &sum, error);
  if (file >= 0) close(file);
  mpt_fingerprint_write(sum, out);
  return code;
}

int mpt_descriptor_of(hid_t file) {
  int *descriptor = NULL;
  if (file < 0 || H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&descriptor) < 0 || !descriptor)
    return -1;
  return *descriptor;
}

static mpt_identity identity_of(const struct stat *about) {
  return (mpt_identity){.device = (uint64_t)about->st_dev,
                        .inode = (uint64_t)about->st_ino,
                        .size = about->st_size,
                        .seconds = about->st_ctim.tv_sec,
                        .nanoseconds = about->st_ctim.tv_nsec,
                        .written = about->st_mtim.tv_sec,
                        .written_part = about->st_mtim.tv_nsec};
}

bool mpt_identify(const char *name, mpt_identity *out) {
  struct stat about;
  if (stat(name, &about)) return false;
  *out = identity_of(&about);
  return true;
}

bool mpt_identify_open(int file, mpt_identity *out) {
  struct stat about = {0};
  const bool known = !fstat(file, &about);
  *out = identity_of(&about);
  return known;
}

bool mpt_same_identity(const mpt_identity *a, const mpt_identity *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size &&
         a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

bool mpt_is_settled(const mpt_identity *identity) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  const double age = (double)(now.tv_sec - identity->seconds) +
                     1e-9 * (double)(now.tv_nsec - identity->nanoseconds);
  return age > (identity->nanoseconds ? fine_tick : coarsest_tick);
}
