// Heap memory that host and device share, so that the cases of test/kernels run on a GPU as they are: every vector of a
// case is managed memory. Numbers that a kernel writes must therefore be in vectors, not on the stack.
#pragma once

namespace papo::test {

// From here on operator new gives managed memory. Text of an error, or null. Before, and where this fails, it is
// malloc's.
const char* begin_managed_memory();

}  // namespace papo::test
