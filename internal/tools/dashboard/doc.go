// Command dashboard prints the Grafana dashboard of kinesis-alerter, deploy/grafana/kinesis-alerter.json. Its format is
// the classic JSON that Grafana 10 and later import. The SDK calls that format deprecated, but Grafana 10 and 11 do not
// read its successor. The dashboard is a program and not a file drawn by hand. So every panel has an id, a unit and a
// text that says what good looks like. A change of a metric is a change of one line.
//
//	go run -C internal/tools/dashboard . > deploy/grafana/kinesis-alerter.json
package main
