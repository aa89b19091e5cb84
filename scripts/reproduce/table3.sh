#!/bin/sh
# Table 3: masking strategy and ratio. 7 trainings of 3B and 7B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce table3 --scale paper "$@"
