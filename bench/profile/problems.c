/* Telling problems apart, and describing each of them once; see problems.h. */
#include "bench/profile/problems.h"

#include "core/context.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------- index -- */

uint64_t profile_hash(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (; size >= sizeof hash; at += sizeof hash, size -= sizeof hash) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * 0x100000001B3u;
        hash ^= hash >> 29; /* or the high bits of a word would never reach the low ones */
    }
    for (; size; at++, size--)
        hash = (hash ^ *at) * 0x100000001B3u;
    return hash ^ (hash >> 32);
}

/* Where the key is, or could be put. */
static int slot_of(const profile_index *index, uint64_t key)
{
    int mask = index->capacity - 1, slot = (int)(key & (uint64_t)mask);
    while (index->numbers[slot] >= 0 && index->keys[slot] != key)
        slot = (slot + 1) & mask;
    return slot;
}

int profile_index_find(const profile_index *index, uint64_t key)
{
    return index->capacity ? index->numbers[slot_of(index, key)] : -1;
}

static bool grow(profile_index *index)
{
    profile_index more = { .capacity = index->capacity ? 2 * index->capacity : 1024 };
    more.keys = malloc((size_t)more.capacity * sizeof *more.keys);
    more.numbers = malloc((size_t)more.capacity * sizeof *more.numbers);
    if (!more.keys || !more.numbers) {
        profile_index_free(&more);
        return false;
    }
    memset(more.numbers, 0xFF, (size_t)more.capacity * sizeof *more.numbers);
    for (int i = 0; i < index->capacity; i++)
        if (index->numbers[i] >= 0)
            profile_index_add(&more, index->keys[i], index->numbers[i]);
    profile_index_free(index);
    *index = more;
    return true;
}

bool profile_index_add(profile_index *index, uint64_t key, int number)
{
    if (2 * index->count >= index->capacity && !grow(index))
        return false;
    int slot = slot_of(index, key);
    index->keys[slot] = key;
    index->numbers[slot] = number;
    index->count++;
    return true;
}

void profile_index_free(profile_index *index)
{
    free(index->keys);
    free(index->numbers);
    *index = (profile_index){ 0 };
}

/* ---------------------------------------------------------------- keys -- */

static const tern_arg *argument(const tern_op *op, int i)
{
    int last = tern_op_input_count(op) - 1;
    return &op->in[i < last ? i : last];
}

static bool changes_inputs(const tern_call *call)
{
    for (int i = 0; i < call->inputs; i++)
        if (call->in[i] && argument(call->op, i)->flags & TERN_MUTATED)
            return true;
    return false;
}

static uint64_t shape_key(const tern_call *call)
{
    uint64_t hash = profile_hash(PROFILE_HASH_START, &call->op, sizeof call->op);
    for (int i = 0; i < call->inputs; i++) {
        const tern_tensor *in = call->in[i];
        int64_t head[2] = { i, in ? in->rank : -1 };
        hash = profile_hash(hash, head, sizeof head);
        if (in)
            hash = profile_hash(hash, in->shape, (size_t)in->rank * sizeof *in->shape);
    }
    return hash;
}

/* Field by field: what lies between them is not defined. */
static uint64_t add_options(uint64_t hash, const tern_op *op, const char *options)
{
    for (const tern_option *option = op->options; option && option->type; option++) {
        size_t size = option->type == TERN_OPTION_BOOL     ? sizeof(bool)
                      : option->type == TERN_OPTION_CHOICE ? sizeof(int)
                                                           : sizeof(int64_t);
        size_t length = option->length > 1 ? (size_t)option->length : 1;
        hash = profile_hash(hash, options + option->offset, length * size);
        if (option->count_offset)
            hash = profile_hash(hash, options + option->count_offset, sizeof(int64_t));
        if (option->has_offset)
            hash = profile_hash(hash, options + option->has_offset, sizeof(bool));
    }
    return hash;
}

uint64_t profile_problem_key(const tern_observed_op *op)
{
    const tern_call *call = op->call;
    uint64_t hash = shape_key(call), wanted = (uint64_t)op->pass << TERN_MAX_ARGS;
    for (int i = 0; i < call->inputs && i < TERN_MAX_ARGS; i++)
        wanted |= (uint64_t)(op->pass == TERN_PASS_BACKWARD && call->grad_in[i]) << i;
    hash = profile_hash(hash, &wanted, sizeof wanted);
    hash = profile_hash(hash, &op->impl, sizeof op->impl);
    return changes_inputs(call) ? hash : add_options(hash, call->op, call->options);
}

/* --------------------------------------------------------------- texts -- */

/* Values are looked at where the device's memory is the host's. */
static bool can_look_at(const tern_call *call, const tern_tensor *in)
{
    const char *device = tern_device(call->ctx);
    return in->data && in->count > 0 && (strcmp(device, "cpu") == 0 || strcmp(device, "ref") == 0);
}

/* Indices matter to the time of an op (which rows of a table are read, how long sequences
 * are), so their range is kept. */
static bool index_range(const tern_call *call, const tern_tensor *in, int32_t range[2])
{
    if (in->dtype != TERN_I32 || !can_look_at(call, in))
        return false;
    const int32_t *values = in->data;
    range[0] = range[1] = values[0];
    for (int64_t i = 1; i < in->count; i++) {
        range[0] = values[i] < range[0] ? values[i] : range[0];
        range[1] = values[i] > range[1] ? values[i] : range[1];
    }
    return true;
}

/* So does the size of weights: with normal deviates for them the sums before a gelu are so
 * large that it makes denormal numbers, which processors are slow at.  A uniform range of
 * about the same root mean square is kept. */
static bool weight_range(const tern_call *call, const tern_tensor *in, double *bound)
{
    double squares = 0;
    if (!in->is_param || in->rank < 2 || in->dtype != TERN_F32 || !can_look_at(call, in))
        return false;
    for (int64_t i = 0; i < in->count; i++)
        squares += (double)((const float *)in->data)[i] * ((const float *)in->data)[i];
    *bound = sqrt(3 * squares / (double)in->count);
    return isfinite(*bound) && *bound > 0;
}

static char *inputs_text(const tern_call *call)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0, shown = 0; out && i < call->inputs; i++) {
        const tern_tensor *in = call->in[i];
        int32_t range[2];
        double bound;
        if (!in)
            continue;
        fprintf(out, "%s%s=[", shown++ ? " " : "", argument(call->op, i)->name);
        for (int axis = 0; axis < in->rank; axis++)
            fprintf(out, "%s%lld", axis ? "," : "", (long long)in->shape[axis]);
        fputc(']', out);
        if (index_range(call, in, range))
            fprintf(out, "{%d..%d}", (int)range[0], (int)range[1]);
        else if (weight_range(call, in, &bound))
            fprintf(out, "{%.1g..%.1g}", -bound, bound);
    }
    if (!out || fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static char *options_text(const tern_call *call)
{
    size_t length = tern_options_text(call->op, call->options, NULL, 0);
    char *text = malloc(length + 1);
    if (text)
        tern_options_text(call->op, call->options, text, length + 1);
    return text;
}

/* The inputs whose gradients are computed; at_most: some that could be are not. */
static char *gradients_text(const tern_observed_op *op, bool *at_most)
{
    const tern_call *call = op->call;
    char text[TERN_MAX_ARGS * 40] = "";
    for (int i = 0; op->pass == TERN_PASS_BACKWARD && i < call->inputs; i++) {
        size_t used = strlen(text);
        if (call->grad_in[i])
            snprintf(text + used, sizeof text - used, "%s%s", used ? "," : "",
                     argument(call->op, i)->name);
        else if (call->in[i] && argument(call->op, i)->flags & TERN_DIFF)
            *at_most = true;
    }
    return strdup(text);
}

/* --------------------------------------------------------------- table -- */

/* Of an output that is made once more the inputs are not there any more: nothing but what is
 * read and written is known. */
static tern_cost cost_of(const tern_observed_op *op)
{
    const tern_call *call = op->call;
    if (op->pass != TERN_PASS_RESTORE)
        return tern_call_cost(call, op->pass == TERN_PASS_BACKWARD);
    tern_cost cost = { .bytes = (double)tern_tensor_bytes(call->out[0]) };
    for (int i = 0; i < call->saveds; i++)
        cost.bytes += call->saved[i] ? (double)tern_tensor_bytes(call->saved[i]) : 0;
    return cost;
}

int profile_problems_note(profile_problems *problems, const tern_observed_op *op, uint64_t key)
{
    int number = profile_index_find(&problems->index, key);
    if (number >= 0)
        return number;
    if (problems->count == problems->capacity) {
        int capacity = problems->capacity ? 2 * problems->capacity : 128;
        profile_problem *grown = realloc(problems->seen, (size_t)capacity * sizeof *grown);
        if (!grown)
            return -1;
        problems->seen = grown;
        problems->capacity = capacity;
    }
    profile_problem *seen = &problems->seen[problems->count];
    *seen = (profile_problem){ .op = op->call->op, .pass = op->pass, .cost = cost_of(op) };
    snprintf(seen->provider, sizeof seen->provider, "%s", op->impl->provider);
    seen->inputs = inputs_text(op->call);
    seen->options = options_text(op->call);
    seen->gradients = gradients_text(op, &seen->at_most);
    if (!seen->inputs || !seen->options || !seen->gradients ||
        !profile_index_add(&problems->index, key, problems->count)) {
        free(seen->inputs), free(seen->options), free(seen->gradients);
        return -1;
    }
    return problems->count++;
}

void profile_problems_free(profile_problems *problems)
{
    for (int i = 0; i < problems->count; i++) {
        free(problems->seen[i].inputs);
        free(problems->seen[i].options);
        free(problems->seen[i].gradients);
    }
    free(problems->seen);
    profile_index_free(&problems->index);
    *problems = (profile_problems){ 0 };
}

const char *profile_pass_name(tern_pass pass)
{
    return pass == TERN_PASS_FORWARD ? "fwd" : pass == TERN_PASS_BACKWARD ? "bwd" : "restore";
}
