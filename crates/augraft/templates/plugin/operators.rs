//! Every operator of the plugin keeps its promises.

augraft_testkit::operator_tests!(my_plugin);
