package config

// The shares of the stop budget, in percent, by step.
const (
	StopShareReadiness     = 1
	StopShareShards        = 80
	StopShareLeases        = 9
	StopShareReloads       = 1
	StopSharePublisher     = 3
	StopShareSubscriptions = 1
	StopShareStatus        = 1
	StopShareAdmin         = 4
)
