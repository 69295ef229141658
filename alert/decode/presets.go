package decode

import "kinesis-alerter/alert/decode/columns"

// flowLogs are flow logs of version 2, the format that AWS has by default.
func flowLogs() *columns.Config {
	return &columns.Config{
		As: columns.AsCSV, From: "message", Separator: " ",
		Columns: []string{
			"version", "account_id", "interface_id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets",
			"bytes", "start", "end", "action", "log_status",
		},
		Text: []string{"account_id"}, // its zeros in front count
	}
}

// cloudFront is a line of a real-time log with the columns that AWS documents, in its order, without those of CMCD.
// What a client may write stays text, whatever it looks like.
func cloudFront() *columns.Config {
	return &columns.Config{
		As: columns.AsCSV, Separator: "tab",
		Columns: []string{
			"timestamp", "c_ip", "time_to_first_byte", "sc_status", "sc_bytes", "cs_method", "cs_protocol", "cs_host",
			"cs_uri_stem", "cs_bytes", "x_edge_location", "x_edge_request_id", "x_host_header", "time_taken",
			"cs_protocol_version", "c_ip_version", "cs_user_agent", "cs_referer", "cs_cookie", "cs_uri_query",
			"x_edge_response_result_type", "x_forwarded_for", "ssl_protocol", "ssl_cipher", "x_edge_result_type",
			"fle_encrypted_fields", "fle_status", "sc_content_type", "sc_content_len", "sc_range_start", "sc_range_end",
			"c_port", "x_edge_detailed_result_type", "c_country", "cs_accept_encoding", "cs_accept",
			"cache_behavior_path_pattern", "cs_headers", "cs_header_names", "cs_headers_count",
			"primary_distribution_id", "primary_distribution_dns_name", "origin_fbl", "origin_lbl", "asn",
		},
		Text: []string{
			"cs_host", "cs_uri_stem", "x_edge_request_id", "x_host_header", "cs_user_agent", "cs_referer", "cs_cookie",
			"cs_uri_query", "x_forwarded_for", "sc_content_type", "cs_accept_encoding", "cs_accept", "cs_headers",
			"cs_header_names",
		},
	}
}
