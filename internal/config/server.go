package config

// ServerConfig is the section "server".
type ServerConfig struct {
	// Listen is the address of the admin server. Defaults to 127.0.0.1:9464: it shows internals and changes the log
	// level without asking who calls, so opening it to a network is a decision. Containers listen on :9464.
	Listen string `yaml:"listen"`
	// Names are further names by which the server is asked for its page, its API and its controls, without a port:
	// those of a Service, an Ingress or a load balancer. IP addresses, localhost and the host's own name are always
	// known.
	Names []string `yaml:"names"`
}
