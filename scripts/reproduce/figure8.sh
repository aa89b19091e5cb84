#!/bin/sh
# Figure 8: errors under semantic masking, from annotations. 1 training of 3B as published.
# Takes the options of papo reproduce: --plan, --seeds 3, --scale mini, ...
exec node "$(dirname "$0")/../../dist/cli/main.js" reproduce figure8 --scale paper "$@"
