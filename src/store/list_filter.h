// What both stores decide alike of a ListQuery's filters. Pure.
#pragma once

#include "src/store/store.h"

namespace tracker::store {

// Whether only tasks with errors can match, so that their index serves.
bool OnlyWithErrors(const ListQuery& query);

}  // namespace tracker::store
