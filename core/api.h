/* How a public header that .cu files include opens and closes what it declares: with C
 * linkage.
 *
 * What is public begins with tern_, everything else is static.  Programs and the shared
 * library export those names (Makefile), so a plugin calls these functions of the
 * program that loads it and needs no library of its own; it is built from headers alone.
 */
#ifndef TERN_CORE_API_H
#define TERN_CORE_API_H

#ifdef __cplusplus
#define TERN_API_BEGIN extern "C" {
#define TERN_API_END }
#else
#define TERN_API_BEGIN
#define TERN_API_END
#endif

#endif
