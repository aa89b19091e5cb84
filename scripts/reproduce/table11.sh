#!/bin/sh
# Table 11: weight η of the entropy terms. 4 trainings of 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce table11 --scale paper "$@"
