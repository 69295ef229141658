// Command dashboard prints the Grafana dashboard of kinesis-alerter, deploy/grafana/kinesis-alerter.json, as the
// classic JSON that Grafana 10 and later import. The SDK calls that deprecated in favour of a second version, which
// Grafana 10 and 11 do not read. It is a program and not a file drawn by hand, so that every panel has an id, a unit
// and words that say what good looks like, and a change of a metric is a change of one line.
//
//	go run -C internal/tools/dashboard . > deploy/grafana/kinesis-alerter.json
package main
