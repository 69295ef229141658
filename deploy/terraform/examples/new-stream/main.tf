# All of it: a stream, a topic that mails one address, and two workers with the rules of kinesis-alerter.yaml.
terraform {
  required_version = ">= 1.7.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0"
    }
  }
}

provider "aws" {
  region = "us-east-1"
}

variable "image" {
  description = "The container image."
  type        = string
}

variable "vpc_id" {
  description = "The VPC to run in."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets with a way to the AWS APIs."
  type        = list(string)
}

variable "oncall" {
  description = "The e-mail address that gets the alerts, once it has confirmed."
  type        = string
}

module "alerter" {
  source = "../.."

  name       = "heart-rate-alerts"
  image      = var.image
  config     = file("${path.module}/kinesis-alerter.yaml")
  vpc_id     = var.vpc_id
  subnet_ids = var.subnet_ids
}

resource "aws_sns_topic_subscription" "oncall" {
  topic_arn = module.alerter.topic_arns[0]
  protocol  = "email"
  endpoint  = var.oncall
}

output "stream_arn" {
  description = "Where to put records."
  value       = module.alerter.stream_arn
}
