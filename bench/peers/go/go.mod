module leveret.test/bench

go 1.19
