/* How a public header opens and closes what it declares: with C linkage, so that
 * .cu files may include it, and visible from outside the program.
 *
 * Everything else is compiled with hidden visibility.  Programs are linked with
 * -rdynamic, so a plugin calls these functions of the program that loads it and
 * needs no library of its own; it is built from these headers alone.
 */
#ifndef TERN_CORE_API_H
#define TERN_CORE_API_H

#ifdef __cplusplus
#define TERN_API_BEGIN _Pragma("GCC visibility push(default)") extern "C" {
#define TERN_API_END } _Pragma("GCC visibility pop")
#else
#define TERN_API_BEGIN _Pragma("GCC visibility push(default)")
#define TERN_API_END _Pragma("GCC visibility pop")
#endif

#endif
