/* Voices: one syllable for each slot, by a pulse train through formants.
 *
 *   pulses at the pitch ---(+)--> low-pass --> 3 formants --> envelope --> slot i
 *   breath noise ----------'
 *
 * The syllables of the stressed words are eight decibels louder, with a pitch peak
 * of seven semitones, and are spoken in the manner of the voice's code; those in
 * between are almost neutral.
 *
 *   anger    bright, pitch falling fast, rough (loudness beats 70 times a second)
 *   disgust  dark, drawn out, low, creaking (24 times a second)
 *   fear     short, breathy, high, pitch trembling
 *   happy    bright, short, pitch leaping up
 *   neutral  between all of these, pitch level
 *   sad      dark, drawn out, breathy, pitch falling
 */
#ifndef TERN_DATASETS_SYNTH_VOICE_H
#define TERN_DATASETS_SYNTH_VOICE_H

#include "datasets/audio.h"
#include "datasets/synth/actors.h"

enum { TERN_SYNTH_RATE = 16000 };

/* Fill a sound that has room for `count` samples at TERN_SYNTH_RATE. */
void tern_synth_speak(const tern_synth_actor *actor, int voice, uint8_t stressed, tern_rng *rng,
                      tern_audio *sound);

#endif
