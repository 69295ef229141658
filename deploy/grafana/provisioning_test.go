package grafana_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// The data source that is provisioned is the one that the dashboard begins with.
func TestProvisioning(t *testing.T) {
	t.Parallel()
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct{ UID, Type string }
	}
	text, err := os.ReadFile("provisioning/datasources/prometheus.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &sources))
	require.Equal(t, 1, sources.APIVersion)
	require.Len(t, sources.Datasources, 1)
	require.Equal(t, "prometheus", sources.Datasources[0].Type)

	var board struct {
		Templating struct {
			List []struct {
				Name    string
				Current struct{ Value any }
			}
		}
	}
	text, err = os.ReadFile("kinesis-alerter.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &board))
	require.Equal(t, "datasource", board.Templating.List[0].Name)
	require.Equal(t, sources.Datasources[0].UID, board.Templating.List[0].Current.Value)

	var providers struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type string
			Options    struct{ Path string }
		}
	}
	text, err = os.ReadFile("provisioning/dashboards/kinesis-alerter.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &providers))
	require.Equal(t, 1, providers.APIVersion)
	require.Len(t, providers.Providers, 1)
	require.Equal(t, "file", providers.Providers[0].Type)
	require.NotEmpty(t, providers.Providers[0].Options.Path)
}
