#!/bin/sh
# Figure 1: errors by class. 2 trainings of 3B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce figure1 --scale paper "$@"
