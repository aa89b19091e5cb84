#!/bin/sh
# Table 9: entropy of attention over the picture. 2 trainings of 3B and 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce table9 --scale paper "$@"
