// Package statustest has example statuses for tests: one that has everything, and one of many shards.
package statustest
