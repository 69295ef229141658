package config

// ServerConfig is the section "server".
type ServerConfig struct {
	// The address of the admin server, HOST:PORT: `/` is the status page, and there are `/api/v1/status`, `/metrics`,
	// `/healthz`, `/readyz`, `/-/log-level` and `/-/reload`. It has no login, so opening it to a network is a decision.
	// `:9464` is all addresses. The flag `--listen` wins over it.
	Listen string `yaml:"listen" default:"127.0.0.1:9464"`
	// Further names by which the status page, the API and the controls are asked for, without a port: those of an
	// Ingress, a load balancer or a Service. IP addresses, localhost and the host's own name are always known.
	// `--server-names a,b` adds to them.
	Names []string `yaml:"names"`
}
