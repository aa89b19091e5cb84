#!/bin/sh
# Figure 11: signature of a collapse. 2 trainings of 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce figure11 --scale paper "$@"
