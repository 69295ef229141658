package consumer

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/middleware"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/fakeaws"
)

// kinesisClient is a real SDK client on the emulator, with one attempt a call as in production.
func kinesisClient(cloud *fakeaws.AWS, name string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(name, "secret", ""),
		HTTPClient: cloud.HTTPClient(), Retryer: aws.NopRetryer{},
		APIOptions: []func(*middleware.Stack) error{answer.New(nil, nil).Install},
	})
}
