package ecs

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
)

const root = "../../.."

// values are what the placeholders stand for here.
var values = map[string]string{
	"PARTITION": "aws", "REGION": "us-east-1", "ACCOUNT": "000000000000", "STREAM": "readings", "APPLICATION": "alerts",
	"TOPIC": "alerts", "DEAD_LETTERS": "alerts-dead-letters",
	"IMAGE": "registry.example.com/kinesis-alerter:1.2.3", "CLUSTER": "default", "SUBNET_A": "subnet-1",
	"SUBNET_B": "subnet-2", "SECURITY_GROUP": "sg-1", "ALARM_TOPIC": "ops",
}

// read decodes a file as strictly as can be: unknown keys, wrong types and unknown values of enumerations fail the
// test.
func read(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "deploy/ecs", name)) //nolint:gosec // names of this test
	require.NoError(t, err)
	text := os.Expand(string(data), func(variable string) string {
		require.Contains(t, values, variable, name)
		return values[variable]
	})
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(into), name)
	checkEnums(t, name, reflect.ValueOf(into))
}

// checkEnums looks for values that the API does not know, which a decoder takes for any other text.
func checkEnums(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	if v.Kind() == reflect.Pointer {
		if !v.IsNil() {
			checkEnums(t, path, v.Elem())
		}
		return
	}
	if v.Kind() == reflect.Struct {
		for field, value := range v.Fields() {
			if field.IsExported() {
				checkEnums(t, path+"."+field.Name, value)
			}
		}
		return
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			checkEnums(t, path+"["+strconv.Itoa(i)+"]", v.Index(i))
		}
		return
	}
	if v.Kind() != reflect.String || v.String() == "" {
		return
	}
	if values := v.MethodByName("Values"); values.IsValid() {
		known := values.Call(nil)[0]
		for i := range known.Len() {
			if known.Index(i).String() == v.String() {
				return
			}
		}
		t.Errorf("%s: %q is none of %v", path, v.String(), known)
	}
}

func task(t *testing.T) (ecs.RegisterTaskDefinitionInput, types.ContainerDefinition) {
	t.Helper()
	var in ecs.RegisterTaskDefinitionInput
	read(t, "task-definition.json", &in)
	require.Len(t, in.ContainerDefinitions, 1)
	return in, in.ContainerDefinitions[0]
}

func TestTaskDefinition(t *testing.T) {
	in, c := task(t)
	require.Equal(t, []types.Compatibility{types.CompatibilityFargate}, in.RequiresCompatibilities)
	require.Equal(t, types.NetworkModeAwsvpc, in.NetworkMode)
	require.Equal(t, types.CPUArchitectureArm64, in.RuntimePlatform.CpuArchitecture)
	require.NotEqual(t, *in.TaskRoleArn, *in.ExecutionRoleArn, "what starts the daemon is not what it may do")

	require.Equal(t, "65532:65532", *c.User)
	require.True(t, *c.ReadonlyRootFilesystem)
	require.Equal(t, []string{"ALL"}, c.LinuxParameters.Capabilities.Drop)
	require.Empty(t, c.LinuxParameters.Capabilities.Add)
	require.False(t, aws.ToBool(c.Privileged))
	require.Equal(t, *in.Memory, strconv.Itoa(int(*c.Memory)),
		"the container has the limit of the task: the daemon looks there for it")
	// Fargate's sizes for a quarter of a CPU.
	require.Equal(t, "256", *in.Cpu)
	require.Contains(t, []string{"512", "1024", "2048"}, *in.Memory)

	require.Equal(t, types.LogDriverAwslogs, c.LogConfiguration.LogDriver)
	require.Equal(t, "non-blocking", c.LogConfiguration.Options["mode"])
	require.Equal(t, "25m", c.LogConfiguration.Options["max-buffer-size"])
	for option := range c.LogConfiguration.Options {
		require.Contains(t, []string{
			"awslogs-group", "awslogs-region", "awslogs-stream-prefix", "mode", "max-buffer-size",
		}, option, "one line is one event, which CloudWatch Logs takes for a metric: no option joins lines")
	}
}

func TestTaskDefinitionFitsTheDaemon(t *testing.T) {
	_, c := task(t)
	require.Greater(t, time.Duration(*c.StopTimeout)*time.Second, config.DefaultStopBudget,
		"SIGKILL comes after the drain")
	require.LessOrEqual(t, *c.StopTimeout, int32(120), "Fargate's most")

	_, port, err := net.SplitHostPort(config.DefaultListen)
	require.NoError(t, err)
	require.Len(t, c.PortMappings, 1)
	require.Equal(t, port, strconv.Itoa(int(*c.PortMappings[0].ContainerPort)))
	require.Equal(t, []string{
		"run", "--config", "env:KINESIS_ALERTER_CONFIG", "--listen", ":" + port, "--fail-fast",
	}, c.Command,
		"the circuit breaker counts a worker that ends, not one that waits")

	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	require.NoError(t, err)
	binary := regexp.MustCompile(`(?m)^ENTRYPOINT \["([^"]+)"\]$`).FindSubmatch(dockerfile)
	require.NotNil(t, binary)
	require.Equal(t, []string{
		"CMD", string(binary[1]), "healthcheck",
	}, c.HealthCheck.Command, "in exec form: the image has no shell")
	require.Greater(t, *c.HealthCheck.Timeout, int32(2), "healthcheck gives up after two seconds")

	environment := map[string]string{}
	for _, e := range c.Environment {
		environment[*e.Name] = *e.Value
	}
	loaded, err := config.LoadConfig(t.Context(), "env:KINESIS_ALERTER_CONFIG", func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	})
	require.NoError(t, err)
	require.Equal(t, "alerts", loaded.Stream.Application)
	require.NotEmpty(t, loaded.Stream.ARN,
		"with a name --fail-fast ends the worker for any failure to ask for its ARN, an outage's, too")
}

func TestService(t *testing.T) {
	in, _ := task(t)
	var service ecs.CreateServiceInput
	read(t, "service.json", &service)
	require.Equal(t, *in.Family, *service.TaskDefinition)
	require.Equal(t, types.LaunchTypeFargate, service.LaunchType)
	require.True(t, service.DeploymentConfiguration.DeploymentCircuitBreaker.Enable)
	require.True(t, service.DeploymentConfiguration.DeploymentCircuitBreaker.Rollback)
	require.Equal(t, int32(100), *service.DeploymentConfiguration.MinimumHealthyPercent,
		"old workers wait for the new ones")
	require.Equal(t, int32(200), *service.DeploymentConfiguration.MaximumPercent)
	require.Equal(t, types.AssignPublicIpDisabled, service.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp)
	require.Empty(t, service.LoadBalancers)
}

// TestTerraformAgrees holds the numbers of the Terraform module against the same defaults of the daemon.
func TestTerraformAgrees(t *testing.T) {
	find := func(file, pattern string) string {
		data, err := os.ReadFile(filepath.Join(root, "deploy/terraform", file)) //nolint:gosec // names of this test
		require.NoError(t, err)
		found := regexp.MustCompile(pattern).FindSubmatch(data)
		require.NotNil(t, found, "%s in %s", pattern, file)
		return string(found[1])
	}
	_, c := task(t)
	require.Equal(t, strconv.Itoa(int(*c.PortMappings[0].ContainerPort)), find("service.tf", `(?m)^  port = (\d+)$`))
	block := `(?s)variable "stop_timeout" \{.*?`
	require.Equal(t, strconv.Itoa(int(*c.StopTimeout)), find("variables.tf", block+`default +=\s+(\d+)`))
	require.Equal(t, strconv.Itoa(int(config.DefaultStopBudget/time.Second)),
		find("variables.tf", block+`stop_timeout > (\d+)`))
}
