/* Twenty-one train clips on disk, and loaders of them.  Speakers and labels are mixed, and
 * every kind of medium is there:
 *   clip 0: frames in a folder (3 of them), 8 kHz sound, a sentence
 *   clip 1: one grey PNG 12 x 10, no sound, a sentence
 *   clip 2: no face, a long 16 kHz FLAC, no sentence
 *   the others repeat the three kinds
 */
#ifndef TERN_TESTS_TINY_LOADER_H
#define TERN_TESTS_TINY_LOADER_H

#include "datasets/loader.h"
#include "tests/temporary_folder.h"

enum { CLIPS = 21, SIDE = 8, TOKENS = 6, FRAMES = 2 };

/* What the set-up of a group of tests makes in test_folder, and its end removes. */
extern tern_clips *clips;
extern tern_vocabulary *vocabulary;
int tiny_loader_make(void **state);
int tiny_loader_remove(void **state);

/* Batches of four, in order, as they are; and shuffled and changed, with a seed. */
extern const tern_loader_opts small;
tern_loader_opts training(const tern_augment *augment);

/* These fail the running test on an error. */
tern_loader *new_loader(const tern_clips *of, tern_loader_opts opts);
void start(tern_loader *loader, uint32_t epoch);
const tern_batch *next(tern_loader *loader);

/* A number that changes with any of these bytes; with any bit of an epoch's batches. */
uint64_t mix(uint64_t hash, const void *bytes, size_t count);
uint64_t epoch_hash(tern_loader *loader, uint32_t epoch);

#endif
