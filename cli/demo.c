/* tern demo: six models on synthetic data, beside the best that is possible. */
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/model_flags.h"

#include "infer/demo.h"

#include <stdio.h>

static const cli_command command = {
    "demo", "[FOLDER]",
    "Makes the synthetic data set (docs/synthetic.md), trains three single-modality models\n"
    "and three fusions on it, and compares them, on actors they never saw, with the best\n"
    "accuracy that anybody could reach.  Everything goes to FOLDER (default: demo); what\n"
    "is there already is not done again.",
    "  tern demo",
    .least = 0, .most = 1,
};

static void say_begun(const char *model, void *user)
{
    (void)user;
    fprintf(stderr, "\n%s\n", model);
}

static void print_text(const tern_demo_result *result)
{
    printf("%lld test clips of actors not in training; six emotions, chance 16.7 %%\n\n",
           (long long)result->test_clips);
    printf("%-12s %9s %7s   %-22s %8s %7s\n", "model", "accuracy", "UAR", "the best possible with",
           "is", "way");
    for (int m = 0; m < TERN_DEMO_MODELS; m++) {
        const tern_demo_row *row = &result->row[m];
        printf("%-12s %7.1f %% %5.1f %%   %-22s %6.1f %% %5.0f %%\n", row->model,
               100 * row->accuracy, 100 * row->uar, row->ceiling_of, 100 * row->ceiling,
               100 * row->way);
    }
    printf("\nway = (accuracy - chance) / (best possible - chance)\n");
}

static void print_json(const tern_demo_result *result)
{
    json_t *rows = json_array();
    for (int m = 0; m < TERN_DEMO_MODELS; m++) {
        const tern_demo_row *row = &result->row[m];
        json_array_append_new(rows, json_pack("{s:s, s:f, s:f, s:s, s:f, s:f, s:f}", "model",
                                              row->model, "accuracy", row->accuracy, "uar",
                                              row->uar, "evidence", row->ceiling_of, "ceiling",
                                              row->ceiling, "way", row->way, "seconds",
                                              row->seconds));
    }
    json_t *json = json_pack("{s:I, s:o}", "test_clips", (json_int_t)result->test_clips, "models",
                             rows);
    json_dumpf(json, stdout, JSON_REAL_PRECISION(6));
    printf("\n");
    json_decref(json);
}

int cmd_demo(int argc, char **argv)
{
    int threads = 0;
    uint64_t seed = 0;
    bool json = false;
    cli_list words;
    const cli_flag flags[] = {
        { "--threads", CLI_COUNT, &threads, "N", "default: one per core" },
        { "--seed", CLI_SEED, &seed, "N", "of the models" },
        { "--json", CLI_FLAG, &json, NULL, "result as JSON" },
        { 0 },
    };
    int status = cli_parse(&command, flags, argc, argv, &words);
    if (status >= 0)
        return status;
    tern_demo_opts opts = { .folder = words.count ? words.items[0] : "demo",
                            .threads = threads, .seed = seed, .begun = say_begun,
                            .progress = cli_show_progress, .stop = cli_is_interrupted };
    tern_demo_result result;
    tern_error error = { 0 };
    cli_catch_interrupts();
    if (!tern_demo_run(&opts, &result, &error))
        return cli_fail("demo", "%s", error.message);
    if (result.stopped) {
        fprintf(stderr, "\ntern demo: stopped; the same command goes on with what is not finished\n");
        return cli_interrupt_status();
    }
    if (json)
        print_json(&result);
    else
        print_text(&result);
    return CLI_OK;
}
