// LossSpec and ResponseWeights of lib/native/binding.ts -> their structs. Call them on the JavaScript thread.
#pragma once

#include <napi.h>

#include "rl/objective.h"

namespace papo {

// E_VALUE naming the field when one is missing, of another type or out of range.
ObjectiveSpec parse_objective_spec(Napi::Value value);
ResponseWeights parse_response_weights(Napi::Value value);

}  // namespace papo
