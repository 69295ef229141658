package credentials

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	ok, failed, refusals prometheus.Counter
}

// newMetrics makes the metrics. left says how many seconds the credentials are good for; without it there is no such
// gauge.
func newMetrics(reg prometheus.Registerer, left func() float64) *metrics {
	factory := promauto.With(reg)
	loads := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_credentials_loads_total",
		Help: "How often the AWS credentials were resolved, by result: ok or failed.",
	}, []string{"result"})
	if left != nil {
		factory.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "kinesis_alerter_credentials_expiry_seconds",
			Help: "How long the current AWS credentials are still valid; +Inf if they do not expire.",
		}, left)
	}
	return &metrics{
		ok: loads.WithLabelValues("ok"), failed: loads.WithLabelValues("failed"),
		refusals: factory.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_credentials_refusals_total",
			Help: "Calls whose credentials AWS refused.",
		}),
	}
}
