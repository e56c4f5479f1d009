//! Every operator of the family keeps its promises.

augraft_testkit::operator_tests!(augraft_erase);
