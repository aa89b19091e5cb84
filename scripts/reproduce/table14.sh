#!/bin/sh
# Table 14: time of a training step. 4 trainings of 3B and 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce table14 --scale paper "$@"
