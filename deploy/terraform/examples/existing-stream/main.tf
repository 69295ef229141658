# Beside what is there: a stream of another account with its own key, two topics, a cluster, and a Prometheus.
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
  description = "The container image, in ECR."
  type        = string
}

variable "ecr_repository_arn" {
  description = "Its repository."
  type        = string
}

variable "stream_arn" {
  description = "The stream. One of another account needs a resource policy that lets the task role in."
  type        = string
}

variable "stream_kms_key_arn" {
  description = "The key that the stream is encrypted with."
  type        = string
}

variable "oncall_topic_arn" {
  description = "Where critical alerts go."
  type        = string
}

variable "office_topic_arn" {
  description = "Where all others go."
  type        = string
}

variable "cluster_arn" {
  description = "The cluster to run in."
  type        = string
}

variable "vpc_id" {
  description = "Its VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets with a way to the AWS APIs."
  type        = list(string)
}

variable "prometheus_security_group_id" {
  description = "The security group of Prometheus."
  type        = string
}

module "alerter" {
  source = "../.."

  name                       = "orders-alerts"
  image                      = var.image
  ecr_repository_arn         = var.ecr_repository_arn
  config                     = file("${path.module}/kinesis-alerter.yaml")
  environment                = { OFFICE_TOPIC_ARN = var.office_topic_arn }
  stream                     = { arn = var.stream_arn, kms_key_arn = var.stream_kms_key_arn }
  topic_arns                 = [var.oncall_topic_arn, var.office_topic_arn]
  cluster                    = { arn = var.cluster_arn }
  vpc_id                     = var.vpc_id
  subnet_ids                 = var.subnet_ids
  scraper_security_group_ids = { prometheus = var.prometheus_security_group_id }
}

output "task_role_arn" {
  description = "Whom the stream's resource policy and its key's policy have to let in."
  value       = module.alerter.task_role_arn
}
