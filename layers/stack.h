/* Layers in a row are called 0, 1, 2 ..., as in nn.Sequential and nn.ModuleList. */
#ifndef TERN_LAYERS_STACK_H
#define TERN_LAYERS_STACK_H

enum { TERN_STACK_LAYERS = 24 }; /* the most of one stack */

/* "0", "1" ...; the last name for all numbers beyond. */
const char *tern_stack_name(int number);

#endif
