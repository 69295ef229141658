package credentials

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// needTimeout is how long somebody waits for the credentials of a command. An instance's metadata service that is not
// there takes the SDK a few seconds.
const needTimeout = 10 * time.Second

// Need resolves the credentials of a configuration now, once. Where there are none, the error says where they were
// looked for, by the environment variables that env looks up, and what to do. It is for commands: a daemon waits.
func Need(ctx context.Context, cfg aws.Config, env func(string) (string, bool)) error {
	ctx, cancel := context.WithTimeout(ctx, needTimeout)
	defer cancel()
	_, err := Of(cfg).Retrieve(ctx)
	if err == nil {
		return nil
	}
	cause := err
	if inner := errors.Unwrap(err); inner != nil {
		cause = inner
	}
	set := func(name string) string { value, _ := env(name); return value }
	looked := "AWS_ACCESS_KEY_ID is not set"
	switch id, secret := set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"); {
	case id != "" && secret == "":
		looked = "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"
	case id != "":
		looked = "AWS_ACCESS_KEY_ID is set"
	case secret != "":
		looked = "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not"
	}
	if profile := set("AWS_PROFILE"); profile != "" {
		looked += fmt.Sprintf(", the profile %q of AWS_PROFILE has none", profile)
	} else {
		looked += `, the profile "default" has none`
	}
	switch {
	case set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "" || set("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "":
		looked += ", the container's role gives none"
	case set("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		looked += ", AWS_WEB_IDENTITY_TOKEN_FILE gives none"
	case set("AWS_EC2_METADATA_DISABLED") == "true":
		looked += ", and AWS_EC2_METADATA_DISABLED keeps an instance's role out"
	default:
		looked += ", and there is no role of a container or an instance"
	}
	return fmt.Errorf("no AWS credentials: %s. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE "+
		"(after aws sso login, if it needs that); an emulator takes any values. The SDK says: %s", looked,
		bounded(cause.Error()))
}
