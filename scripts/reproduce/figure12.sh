#!/bin/sh
# Figure 12: factors of a collapse. 6 trainings of 3B and 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce figure12 --scale paper "$@"
