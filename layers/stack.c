#include "layers/stack.h"

const char *tern_stack_name(int number)
{
    static const char *const names[TERN_STACK_LAYERS] = {
        "0",  "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9",  "10", "11",
        "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23",
    };
    return names[number < TERN_STACK_LAYERS ? number : TERN_STACK_LAYERS - 1];
}
