//go:build mutation

package system_test

// outsideMutations break what keeps bytes, clients and outputs from outside from stopping the daemon.
func outsideMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "an output that blocks stops nothing",
			file:   "internal/daemon/log_queue.go",
			old:    "\ts.queue.Add(logLine{text: append([]byte(nil), line...), audit: s.audit})\n",
			new:    "\t_, _ = s.queue.out.Write(line)\n",
			by:     only("internal/system", "TestDaemonAlertsWithABlockedOutput"),
			says:   `.*deadlock.*|.*Error:.*|.*blocked.*`,
		},
		{
			breaks: "log lines that wait are bounded",
			file:   "internal/daemon/log_queue.go", old: "!q.closed && q.bytes+cost <= logQueueBytes", new: "!q.closed",
			by: only("internal/daemon", "TestLogQueueNeverBlocks"), says: `.*Error:.*`,
		},
		{
			breaks: "a fault of one entry is no fault of its topic",
			file:   "alert/dispatch/call.go", old: "if took && c.fault != \"\" {", new: "if !took && c.fault != \"\" {",
			by: only("alert/dispatch", "TestFaultOfOneEntryIsItsOwn"), says: `.*Error:.*|.*deadlock.*`,
		},
		{
			breaks: "what failed alone beside others never holds its topic",
			file:   "alert/dispatch/call.go", old: "case r.own, v.Class", new: "case r.own && false, v.Class",
			by: only("alert/dispatch", "TestFaultOfOneEntryIsItsOwn"), says: `.*Error:.*|.*deadlock.*`,
		},
	}
}
